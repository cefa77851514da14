/* SPDX-License-Identifier: Apache-2.0 */
/* Asks the kernel which sockets there still are, by its iterators. */
#ifndef SOCKET_SWEEP_H
#define SOCKET_SWEEP_H

#include <bpf/libbpf.h>
#include <stdint.h>

typedef void (*sweep_fn)(void *ctx, uint64_t cookie);

/* Calls fn for the cookie of each socket that has storage in the map. 0 or -errno. */
int sweep_storage(struct bpf_program *prog, struct bpf_map *conns, sweep_fn fn, void *ctx);

/* The same where state is kept by address: `files` marks those that descriptors name, `conns` then
 * tells which are alive; what is left of others is removed from the map. 0 or -errno. */
int sweep_addresses(struct bpf_program *files, struct bpf_program *conns, struct bpf_map *conns_at,
		    sweep_fn fn, void *ctx);

#endif
