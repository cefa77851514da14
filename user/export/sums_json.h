/* SPDX-License-Identifier: Apache-2.0 */
/* What a service uses and how its connections do, as the API says it. */
#ifndef SUMS_JSON_H
#define SUMS_JSON_H

#include <jansson.h>
#include "metrics/service_sums.h"
#include "sonde_abi.h"

/* Adds what is known to the object, of connections those of that role. */
void sums_json(json_t *object, const struct service_sums *s, enum sonde_role role);
/* The same back, for whoever reads the API of another: added to what s has. */
void sums_parse(const json_t *object, enum sonde_role role, struct service_sums *s);

#endif
