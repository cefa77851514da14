/* SPDX-License-Identifier: Apache-2.0 */
/* What a control group's path says. Pure. */
#ifndef CGROUP_H
#define CGROUP_H

#include <stdbool.h>
#include <stddef.h>
#include "util/slice.h"

/* From the text of /proc/PID/cgroup (cgroups(7)): the path in the unified hierarchy, else in
 * systemd's own. Empty when there is none. Borrowed from `file`. */
struct slice cgroup_path(struct slice file);

/* The path without the way up that stands before it where we are in a cgroup namespace of our own:
 * "/../../system.slice/a.service" (cgroup_namespaces(7)). Never empty if `path` is not. */
struct slice cgroup_below(struct slice path);

/* The systemd service the path lies in, without ".service" and instance: "shop" of
 * /system.slice/shop@2.service. False for user sessions, and for units that start other people's
 * programs (cron, ssh, container runtimes, transient ones). */
bool cgroup_unit(struct slice path, char *out, size_t size);

#endif
