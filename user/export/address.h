/* SPDX-License-Identifier: Apache-2.0 */
/* An end of a connection in words: 127.0.0.1:80, [::1]:80, unix:/path, unix:@abstract, unix: */
#ifndef ADDRESS_H
#define ADDRESS_H

#include <stddef.h>
#include "txn.h"

/* Bytes of the longest address; nothing here is NUL terminated. */
enum { ADDRESS_MAX = TXN_ADDR_LEN };

/* Write to `out` (ADDRESS_MAX bytes) and return the length; 0: not known. An IPv4 address mapped
 * into IPv6 (RFC 4291, 2.5.5.2) prints as IPv4. A unix path is printed as it is, any byte of it,
 * at the server's end; the client's end of a unix socket has no name. */
size_t address_local(const struct txn *t, char *out);
size_t address_peer(const struct txn *t, char *out);

#endif
