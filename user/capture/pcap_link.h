/* SPDX-License-Identifier: Apache-2.0 */
/* The link layers of captures: what stands before the IP packet in a frame. */
#ifndef PCAP_LINK_H
#define PCAP_LINK_H

#include <stdbool.h>
#include "util/slice.h"

/* Is this one of libpcap's DLT_ values that pcap_link_strip() takes? */
bool pcap_link_is_known(int dlt);

/* Takes the link layer and VLAN tags off the front of *frame. 0: an IP packet of either version is
 * left; -ENOTSUP: it carries something else; -EBADMSG: it ends before its own header does. */
int pcap_link_strip(int dlt, struct slice *frame);

#endif
