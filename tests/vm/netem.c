// SPDX-License-Identifier: Apache-2.0
/*
 * netem DELAY_MS LOSS_PERCENT: from now on what goes over loopback takes that long each way, and as
 * much of it is lost. 0 0 ends it. Loads the kernel's module from /sch_netem.ko.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/netlink.h>
#include <linux/pkt_sched.h>
#include <linux/rtnetlink.h>
#include <net/if.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

enum { TICK_SHIFT = 6 }; /* the scheduler's tick is 64 ns */

struct request {
	struct nlmsghdr h;
	struct tcmsg t;
	char attrs[256];
};

struct answer {
	struct nlmsghdr h;
	struct nlmsgerr e;
	char rest[512];
};

static void attribute(struct request *r, uint16_t type, const void *data, uint16_t n)
{
	struct rtattr *a = (struct rtattr *)((char *)r + NLMSG_ALIGN(r->h.nlmsg_len));

	a->rta_type = type;
	a->rta_len = (uint16_t)RTA_LENGTH(n);
	memcpy(RTA_DATA(a), data, n);
	r->h.nlmsg_len = NLMSG_ALIGN(r->h.nlmsg_len) + RTA_ALIGN(a->rta_len);
}

static int ask(const struct request *r)
{
	int s = socket(AF_NETLINK, SOCK_RAW, NETLINK_ROUTE), err = -1;
	struct answer a;

	if (send(s, r, r->h.nlmsg_len, 0) > 0 && recv(s, &a, sizeof(a), 0) > 0 &&
	    a.h.nlmsg_type == NLMSG_ERROR)
		err = a.e.error;
	close(s);
	return err;
}

static void load_module(void)
{
	int fd = open("/sch_netem.ko", O_RDONLY);

	if (fd >= 0)
		syscall(SYS_finit_module, fd, "", 0);
	close(fd);
}

int main(int argc, char **argv)
{
	unsigned long delay_ms = argc > 2 ? strtoul(argv[1], NULL, 10) : 0;
	unsigned long loss = argc > 2 ? strtoul(argv[2], NULL, 10) : 0;
	struct tc_netem_qopt opt = {
		.latency = (uint32_t)(delay_ms * 1000000 >> TICK_SHIFT),
		.limit = 10000,
		.loss = (uint32_t)(UINT32_MAX / 100 * loss),
	};
	int is_on = delay_ms || loss, err;
	struct request r = {
		.h = { .nlmsg_len = NLMSG_LENGTH(sizeof(r.t)),
		       .nlmsg_type = is_on ? RTM_NEWQDISC : RTM_DELQDISC,
		       .nlmsg_flags = NLM_F_REQUEST | NLM_F_ACK |
				      (is_on ? NLM_F_CREATE | NLM_F_REPLACE : 0) },
		.t = { .tcm_family = AF_UNSPEC,
		       .tcm_ifindex = (int)if_nametoindex("lo"),
		       .tcm_parent = TC_H_ROOT },
	};

	load_module();
	if (is_on) {
		attribute(&r, TCA_KIND, "netem", 6);
		attribute(&r, TCA_OPTIONS, &opt, sizeof(opt));
	}
	err = ask(&r);
	if (err)
		fprintf(stderr, "netem: %s\n", strerror(-err));
	return err != 0;
}
