/* SPDX-License-Identifier: Apache-2.0 */
/* What others need to know of HTTP/1 beside its struct proto. */
#ifndef HTTP1_H
#define HTTP1_H

#include <stdbool.h>
#include "util/slice.h"

/* Is this one of the methods that OpenTelemetry names: RFC 9110's, PATCH and QUERY? Case-sensitive,
 * as methods are (RFC 9110 9.1). Anything else is labelled _OTHER. */
bool http_method_known(struct slice method);

#endif
