/* SPDX-License-Identifier: Apache-2.0 */
/* Frames of a running sonde, by its API. */
#ifndef REMOTE_H
#define REMOTE_H

#include "stream/conn.h"
#include "top/frame.h"

struct remote;

/* url: "http://host:9464", "https://user:password@host:9464". NULL: out of memory, or this build
 * cannot (remote_is_built()). */
struct remote *remote_open(const char *url);
void remote_close(struct remote *r); /* NULL accepted */
bool remote_is_built(void);

/* Waits for the answer, 3 s at most. What is wrong is in f->error, and -EIO. */
int remote_read(struct remote *r, const struct top_ask *ask, struct top_frame *f);

#endif
