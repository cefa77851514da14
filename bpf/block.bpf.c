// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/* How long disks take, as the kernel's own statistics count it: a request bears the time it was
 * made, so that its end alone is enough, and nothing is kept of those under way. */
#include "delay.bpf.h"

enum {
	OP_MASK = 0xff, /* REQ_OP_BITS of blk_types.h, as all below */
	OP_FLUSH = 2,
	OP_DISCARD = 3,
	OP_DRIVER = 32, /* from here on a driver's own */
};

/* Before Linux 6.11 the flags were no enum. */
enum rqf_flags___since_6_11 {
	__RQF_FLUSH_SEQ___since_6_11 = 1,
};

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_HASH);
	__uint(max_entries, 64);
	__type(key, u32);
	__type(value, struct sonde_disk);
} disks SEC(".maps");

static const struct sonde_disk no_disk; /* too large for a stack */

static __always_inline u32 flag_flush_seq(void)
{
	if (bpf_core_enum_value_exists(enum rqf_flags___since_6_11, __RQF_FLUSH_SEQ___since_6_11))
		return 1U << bpf_core_enum_value(enum rqf_flags___since_6_11,
						 __RQF_FLUSH_SEQ___since_6_11);
	return 1U << 4;
}

static __noinline struct sonde_disk *disk_of(const struct gendisk *disk)
{
	u32 key = (u32)disk->major << 20 | (u32)disk->first_minor;
	struct sonde_disk *d = bpf_map_lookup_elem(&disks, &key);

	if (d)
		return d;
	if (bpf_map_update_elem(&disks, &key, &no_disk, BPF_NOEXIST) == -7 /* E2BIG */)
		count(SONDE_CNT_NO_TALLY);
	return bpf_map_lookup_elem(&disks, &key);
}

SEC("?tp_btf/block_rq_complete")
int BPF_PROG(sonde_disk, struct request *rq, int error, unsigned int n_bytes)
{
	u32 op = rq->cmd_flags & OP_MASK, dir = op & 1, at;
	u64 start_ns = rq->start_time_ns, ns;
	const struct gendisk *disk;
	struct sonde_disk *d;

	/* what is not counted there either: the parts of a request, the steps of a flush */
	if (n_bytes < rq->__data_len || rq->rq_flags & flag_flush_seq())
		return 0;
	if (!start_ns || op == OP_FLUSH || op == OP_DISCARD || op >= OP_DRIVER)
		return 0;
	disk = rq->q->disk; /* read once: the verifier takes a millisecond for each pointer */
	d = disk_of(disk);
	if (!d)
		return 0;
	if (!d->name[0])
		bpf_probe_read_kernel_str(d->name, sizeof(d->name), disk->disk_name);
	ns = bpf_ktime_get_ns() - start_ns;
	at = delay_bucket(ns);
	if (at < SONDE_DELAYS)
		d->delays[dir][at]++;
	d->ns[dir] += ns;
	return 0;
}
