// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/* How long disks take, as the kernel's own statistics count it: a request bears the time it was
 * made, so that its end alone is enough. Whose it is only its beginning knows, and is kept. */
#include "delay.bpf.h"
#include "filter.bpf.h"

enum {
	OP_MASK = 0xff, /* REQ_OP_BITS of blk_types.h, as all below */
	OP_FLUSH = 2,
	OP_DISCARD = 3,
	OP_DRIVER = 32, /* from here on a driver's own */
	DISKS_MAX = 4096,
	REQUESTS_MAX = 16384,
};

/* Before Linux 6.11 the flags were no enum. */
enum rqf_flags___since_6_11 {
	__RQF_FLUSH_SEQ___since_6_11 = 1,
};

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__uint(max_entries, DISKS_MAX);
	__type(key, struct sonde_disk_key);
	__type(value, struct sonde_disk);
} disks SEC(".maps");

/* Requests under way whose owner is known, by their address. Of one that never ends as a whole the
 * entry stays until its place is used again: there are as many as disks have places. */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__uint(max_entries, REQUESTS_MAX);
	__type(key, u64);
	__type(value, struct sonde_disk_key);
} requests SEC(".maps");

static const struct sonde_disk no_disk; /* too large for a stack */

static __always_inline u32 flag_flush_seq(void)
{
	if (bpf_core_enum_value_exists(enum rqf_flags___since_6_11, __RQF_FLUSH_SEQ___since_6_11))
		return 1U << bpf_core_enum_value(enum rqf_flags___since_6_11,
						 __RQF_FLUSH_SEQ___since_6_11);
	return 1U << 4;
}

static __always_inline u32 number_of(const struct gendisk *disk)
{
	return (u32)disk->major << 20 | (u32)disk->first_minor;
}

static __noinline struct sonde_disk *disk_of(const struct gendisk *disk,
					     const struct sonde_disk_key *key)
{
	struct sonde_disk *d = tally_of(&disks, key, &no_disk);

	if (d && !d->name[0])
		bpf_probe_read_kernel_str(d->name, sizeof(d->name), disk->disk_name);
	return d;
}

/* The cgroup whose pages these are. Where disks are in a hierarchy of version 1 they are the
 * root's. */
static __always_inline u64 group_of(struct request *rq)
{
	struct bio *bio = rq->bio;
	struct cgroup *group;

	if (!bpf_core_field_exists(bio->bi_blkg))
		return 0;
	group = BPF_CORE_READ(bio, bi_blkg, blkcg, css.cgroup);
	return BPF_CORE_READ(group, root, hierarchy_id) ? 0 : BPF_CORE_READ(group, kn, id);
}

/* Runs where the request is asked for. What others ask for and the scheduler adds to it is taken
 * for its first owner's, too. */
SEC("?tp_btf/block_io_start")
int BPF_PROG(sonde_disk_start, struct request *rq)
{
	struct task_struct *task = bpf_get_current_task_btf();
	const struct gendisk *disk = rq->q->disk;
	struct sonde_disk_key key = {};
	u64 id = (u64)rq;

	if (task->flags & PF_KTHREAD)
		key.group = group_of(rq);
	else if (filter_wanted(task->tgid))
		key.tgid = task->tgid;
	key.disk = number_of(disk);
	/* the sums are begun here, where there is no hurry */
	if ((!key.tgid && !key.group) || !disk_of(disk, &key)) {
		bpf_map_delete_elem(&requests, &id); /* of one before it */
		return 0;
	}
	if (bpf_map_update_elem(&requests, &id, &key, BPF_ANY))
		count(SONDE_CNT_NO_TALLY);
	return 0;
}

SEC("?tp_btf/block_rq_complete")
int BPF_PROG(sonde_disk, struct request *rq, int error, unsigned int n_bytes)
{
	u32 op = rq->cmd_flags & OP_MASK, dir = op & 1, at;
	u64 start_ns = rq->start_time_ns, ns, id = (u64)rq;
	struct sonde_disk_key key = {}, *known;
	const struct gendisk *disk;
	struct sonde_disk *d;

	/* what is not counted there either: the parts of a request, the steps of a flush */
	if (n_bytes < rq->__data_len || rq->rq_flags & flag_flush_seq())
		return 0;
	if (!start_ns || op == OP_FLUSH || op == OP_DISCARD || op >= OP_DRIVER)
		return 0;
	disk = rq->q->disk; /* read once: the verifier takes a millisecond for each pointer */
	known = bpf_map_lookup_elem(&requests, &id);
	if (known) {
		key = *known;
		bpf_map_delete_elem(&requests, &id);
	} else {
		key.disk = number_of(disk);
	}
	d = disk_of(disk, &key);
	if (!d)
		return 0;
	ns = bpf_ktime_get_ns() - start_ns;
	at = delay_bucket(ns);
	if (at < SONDE_DELAYS)
		__sync_fetch_and_add(&d->delays[dir][at], 1);
	__sync_fetch_and_add(&d->ns[dir], ns);
	return 0;
}
