/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/*
 * The one contract between the BPF programs and user space: what a record in the ring looks like,
 * how user space steers what is copied, and the names of everything that can be lost. Recordings
 * hold the same records, so they are also a file format: kinds, flags, fields and reasons are only
 * ever appended, and SONDE_ABI_VERSION rises when a layout changes.
 *
 * All times are CLOCK_MONOTONIC nanoseconds as bpf_ktime_get_ns() gives them; 0 means not known.
 * All sequence numbers are modulo 2^32: for TCP the socket's own, else a running count of bytes.
 */
#ifndef SONDE_ABI_H
#define SONDE_ABI_H

#ifndef __VMLINUX_H__
#include <linux/types.h>
#endif

#pragma GCC diagnostic push
#pragma GCC diagnostic error "-Wpadded"

#define SONDE_ABI_VERSION 2

enum {
	SONDE_COPY_MAX = 32768,	    /* bytes of one operation that can be copied, at most */
	SONDE_COPY_WHOLE = 1 << 20, /* of one operation, in records of SONDE_COPY_MAX each */
	SONDE_TAIL_MAX = 16,	    /* last bytes of an operation that was copied in part */
	SONDE_DATAGRAM_MAX = 4096,  /* bytes of one datagram that are copied, at most */
	SONDE_SLOTS = 65536,  /* verdicts; connections beyond share a slot, checked by cookie */
	SONDE_ARGS_MAX = 512, /* bytes of a program's arguments, NUL separated */
	SONDE_PATH_MAX = 256,
	SONDE_COMM_LEN = 16,
	SONDE_GROUP_LEN = 64,
	SONDE_UNIX_PATH_LEN = 108,
};

enum sonde_ev_kind {
	SONDE_EV_NONE = 0,
	SONDE_EV_OPEN = 1,    /* a connection, before its first data record */
	SONDE_EV_DATA = 2,    /* one completed send or receive */
	SONDE_EV_CLOSE = 3,   /* an end of a connection said goodbye, or died */
	SONDE_EV_CONNECT = 4, /* a connect that failed */
	SONDE_EV_EXEC = 5,
	SONDE_EV_FORK = 6,
	SONDE_EV_EXIT = 7,
	SONDE_EV_DATAGRAM = 8, /* one datagram sent or received */
	SONDE_EV_HANDOVER = 9, /* a goroutine hands a request over to be sent */
	SONDE_EV_MET = 10,     /* a process of which it must be said whether it is asked for */
	SONDE_EV_THREAD = 11,  /* a thread was made by an observed one, or such a one ended */
	SONDE_EV_REST = 12,    /* what a process that has ended used in all, its end included */
	SONDE_EV_OOM = 13,     /* a process is to be killed for want of memory */
	SONDE_EV_KERNEL_MAX,   /* behind the last that the kernel makes */
	/* made by user space, found in recordings only, so that replay sees what the live run knew */
	SONDE_EV_PROCESS = 64, /* who a process is: struct sonde_ev_process */
	SONDE_EV_TICK = 65,    /* the pipeline's clock turned: struct sonde_ev_tick */
	SONDE_EV_SWEEP = 66,   /* a connection was found gone by the sweep: struct sonde_ev_sweep */
	SONDE_EV_SHED = 67,    /* how many connections are observed: struct sonde_ev_shed */
	SONDE_EV_END = 68,     /* nothing more comes: struct sonde_ev_hdr alone */
	SONDE_EV_LOST = 69,    /* records of datagrams found no room in the ring: sonde_ev_lost */
	SONDE_EV_ADDRESS = 70, /* what an address is called from now on: sonde_ev_address */
	SONDE_EV_RESOLVED = 71, /* what was seen to resolve to one, before: sonde_ev_resolved */
};

struct sonde_ev_hdr {
	__u16 kind;  /* enum sonde_ev_kind */
	__u16 flags; /* SONDE_F_*, by kind */
	__u32 size;  /* of the whole record, this header included */
	__u64 ts_ns; /* when it happened; for an operation: when it completed */
};

enum sonde_dir {
	SONDE_TX = 0, /* the observed process sent it */
	SONDE_RX = 1, /* the observed process received it */
};

enum sonde_role {
	SONDE_ROLE_UNKNOWN = 0, /* older than the observer, or a socket pair */
	SONDE_ROLE_CLIENT = 1,	/* this end connected */
	SONDE_ROLE_SERVER = 2,	/* this end accepted */
};

enum sonde_family {
	SONDE_FAMILY_NONE = 0,
	SONDE_FAMILY_IPV4 = 4,
	SONDE_FAMILY_IPV6 = 6,
	SONDE_FAMILY_UNIX = 1,
};

/* What a thread's time goes into when it does not run. Those from SONDE_WAIT_DISK on it sleeps in. */
enum sonde_wait {
	SONDE_WAIT_RUNQUEUE = 0,  /* ready, but without a CPU */
	SONDE_WAIT_THROTTLED = 1, /* the same, its cgroup's quota being spent */
	SONDE_WAIT_DISK = 2,
	SONDE_WAIT_LOCK = 3,	/* futex: for another thread */
	SONDE_WAIT_NETWORK = 4, /* in a call on sockets, poll and select included */
	SONDE_WAIT_FAULT = 5,	/* for a page, in no call */
	SONDE_WAIT_SLEEP = 6,	/* for time to pass, as it asked to */
	SONDE_WAIT_OTHER = 7,	/* anything else: epoll (for whatever it is), pipes, children */
	SONDE_WAIT_MAX = 8,
};

/*
 * The accounts of the operation's thread at its completion, cumulative since it was first observed.
 * Between two records of a thread, what is in no account it ran: parts add up to the time exactly.
 */
struct sonde_sched {
	__u64 on_ns; /* when it got the CPU it is on; 0: not known, and nothing is of the rest */
	__u64 wait_ns[SONDE_WAIT_MAX];
};

enum {
	/* Plaintext of an encrypted connection, from a uprobe: seq and other_seq are running counts
	 * of it from here on. In a close record: tx_seq, rx_seq and what was lost are of it too. */
	SONDE_F_TLS = 1 << 0,
	SONDE_F_NO_BYTES = 1 << 1,   /* length only: sendfile, splice, io_uring, zero copy */
	SONDE_F_EOF = 1 << 2,	     /* a receive that returned 0: the peer will send no more */
	SONDE_F_START_LATE = 1 << 3, /* start_ns is that of the last segment or of the completion */
	SONDE_F_IO_URING = 1 << 4,
	SONDE_F_RACED = 1 << 5,	  /* several threads at once: seq is not certain */
	SONDE_F_FAULT = 1 << 6,	  /* the user's memory could not be read: length only */
	SONDE_F_SKIPPED = 1 << 7, /* operations before this one were left out by verdict */
	SONDE_F_ALONE =
		1 << 8, /* its process has one thread: what it did before it was told before */
	SONDE_F_TLS_FRESH = 1 << 9, /* with SONDE_F_TLS: counted from the connection's first byte */
	SONDE_F_INJECTED = 1 << 10, /* of a send: a struct sonde_injected is behind bytes[] */
};

/* Bytes of ours within a send, behind its first `at`: a whole line of a request's head. They count
 * in the record's len, as they do in TCP's numbers, and neither in copied nor in tail. */
enum { SONDE_INJECTED_LEN = 70 };

struct sonde_injected {
	__u32 at;
	char line[SONDE_INJECTED_LEN];
	__u16 reserved;
};

enum { SONDE_LATE = 2 };

/* What of a receive was in the socket later than its first byte. */
struct sonde_late {
	__u32 after_ns; /* arrival_ns; 0: there is no such segment */
	__u32 seq;	/* of its first byte */
};

/*
 * One completed send or receive. bytes[] holds `copied` bytes from the operation's start followed
 * by `tail` bytes from its end; what lies between was not copied: a hole of known length.
 */
struct sonde_ev_data {
	struct sonde_ev_hdr h;
	__u64 cookie; /* the socket's, unique while the host is up */
	union {
		struct {		/* send */
			__u64 start_ns; /* when the kernel took its first byte */
			__u64 sent_ns;	/* when its last byte left for the peer */
		};
		struct sonde_late late[SONDE_LATE]; /* receive: its further segments, in order */
	};
	__u64 arrival_ns; /* receive: when its first byte was in the socket to be read */
	__u64 skipped_ns; /* completion of the last operation left out before this one */
	__u64 goroutine;  /* the runtime's g where the program is Go, else 0 */
	struct sonde_sched sched;
	__u32 slot;	 /* where to put a verdict */
	__u32 seq;	 /* of the first byte */
	__u32 other_seq; /* the other direction's next byte when this operation began */
	__u32 len;	 /* bytes the operation moved */
	__u32 copied;
	__u32 lost; /* records of this direction dropped since the last one (ring full) */
	__u32 tgid;
	__u32 tid;
	__u8 dir; /* enum sonde_dir */
	__u8 tail;
	__u16 syscall; /* number of the system call it came from */
	__u32 reserved;
	__u8 bytes[];
};

struct sonde_addr {
	__u8 ip[16]; /* IPv4 in the first four */
	__u16 port;  /* host order */
	__u16 reserved[3];
};

enum {
	SONDE_F_FRESH = 1 << 0, /* seen from its first byte; else joined in the middle */
	SONDE_F_KTLS = 1 << 1,
	SONDE_F_THREADS = 1 << 2, /* its process has more than one thread */
};

struct sonde_ev_open {
	struct sonde_ev_hdr h;
	__u64 cookie;
	__u64 connect_ns;     /* client: when connect began; 0 for others */
	__u64 established_ns; /* 0 when older than the observer */
	__u64 netns;	      /* network namespace cookie, 0 not known */
	struct sonde_addr local;
	struct sonde_addr peer;
	__u32 slot;
	__u32 tx_seq; /* next byte to be sent, and to be read, when this record was made */
	__u32 rx_seq;
	__u32 tgid;
	__u32 tid;
	__u8 family; /* enum sonde_family */
	__u8 role;   /* enum sonde_role */
	__u8 reserved[2];
	char unix_path[SONDE_UNIX_PATH_LEN]; /* of the server's end; first byte NUL: abstract */
	__u32 unix_path_len;		     /* 0: unnamed */
};

/*
 * One datagram, sent or received, or the error that one met. Complete in itself: no other record is
 * needed to understand it. Flags are those of a data record.
 */
struct sonde_ev_datagram {
	struct sonde_ev_hdr h; /* ts_ns: when the operation completed */
	__u64 cookie;	       /* the socket's */
	__u64 arrival_ns;      /* receive: when it was in the socket to be read */
	__u64 goroutine;
	__u64 netns; /* network namespace cookie */
	struct sonde_sched sched;
	struct sonde_addr local;
	struct sonde_addr peer; /* of this datagram; port 0: not known */
	__u32 slot;		/* where to put a verdict */
	__u32 len;		/* of the datagram, or as much as the process had room for */
	__u32 copied;
	__u32 error; /* errno, positive: nothing was moved, the socket had this to tell */
	__u32 tgid;
	__u32 tid;
	__u8 dir;    /* enum sonde_dir */
	__u8 family; /* enum sonde_family */
	__u16 syscall;
	__u32 reserved;
	__u8 bytes[];
};

enum sonde_close_how {
	SONDE_CLOSE_LOCAL = 1, /* this end closed or shut down its sending side */
	SONDE_CLOSE_PEER = 2,  /* the peer's FIN arrived */
	SONDE_CLOSE_RESET = 3, /* the connection died: see error */
	SONDE_CLOSE_DONE = 4,  /* TCP is done with it */
};

enum {
	/* With SONDE_CLOSE_DONE: somebody holds the socket, and has bytes of the peer's to read. */
	SONDE_F_UNREAD = 1 << 1,
};

struct sonde_ev_close {
	struct sonde_ev_hdr h;
	__u64 cookie;
	__u64 last_tx_ns; /* completion of the last send and receive that were left out by verdict */
	__u64 last_rx_ns;
	__u32 slot;
	__u32 tx_seq; /* next byte to be sent, and to be read */
	__u32 rx_seq;
	__u32 lost_tx; /* records dropped since the last one of that direction (ring full) */
	__u32 lost_rx;
	__u32 error; /* errno, positive */
	__u32 tgid;  /* last process seen to use it */
	__u8 how;    /* enum sonde_close_how */
	__u8 reserved[3];
};

struct sonde_ev_connect {
	struct sonde_ev_hdr h; /* ts_ns: when it failed */
	__u64 cookie;
	__u64 connect_ns;
	struct sonde_addr local;
	struct sonde_addr peer;
	__u32 error; /* errno, positive: ECONNREFUSED, ETIMEDOUT, EHOSTUNREACH, ... */
	__u32 tgid;
	__u32 tid;
	__u8 family;
	__u8 reserved[3];
};

struct sonde_ev_exec {
	struct sonde_ev_hdr h;
	__u64 start_ns;	 /* the process's start, boot clock */
	__u64 cgroup_id; /* cgroup v2 */
	__u32 tgid;
	__u32 ppid;
	__u32 uid;
	__u32 args_len;
	char comm[SONDE_COMM_LEN];
	char filename[SONDE_PATH_MAX]; /* as given to execve, NUL terminated */
	char args[SONDE_ARGS_MAX];     /* NUL separated, cut at the end */
};

struct sonde_ev_fork {
	struct sonde_ev_hdr h;
	__u64 start_ns;
	__u32 tgid;
	__u32 ppid;
	char comm[SONDE_COMM_LEN];
	__u32 ptid; /* the thread that forked */
	__u32 reserved;
};

enum {
	SONDE_F_OOM = 1 << 0, /* the kernel chose it to die for want of memory */
};

struct sonde_ev_exit {
	struct sonde_ev_hdr h;
	__u32 tgid;
	__u32 code; /* as wait(2) gives it: status << 8 | signal */
	char comm[SONDE_COMM_LEN];
	/* what all its threads used: CPU time, and its split as clock ticks saw it; bytes from and
	 * to disks */
	__u64 run_ns;
	__u64 user_ns;
	__u64 system_ns;
	__u64 read_bytes;
	__u64 written_bytes;
	__u64 start_ns; /* as in its fork and exec */
	__u32 heir;	/* who will wait for it; 0: not known */
	__u32 reaper;	/* who will wait for those of its children that it has not waited for */
};

/* Once its last thread is let go of: after somebody has waited for it. */
struct sonde_ev_rest {
	struct sonde_ev_hdr h;
	__u64 start_ns;
	__u64 run_ns; /* as at its end, and what giving back all that it held took */
	__u64 user_ns;
	__u64 system_ns;
	__u64 read_bytes;
	__u64 written_bytes;
	__u32 tgid;
	__u32 reserved;
};

/* Its end follows as an exit with SONDE_F_OOM. Memory's cgroups by the last part of their paths;
 * "": the host's, or not known. */
struct sonde_ev_oom {
	struct sonde_ev_hdr h;
	__u32 tgid;
	__u32 asker_tgid; /* who wanted memory that there was not; it may be the same */
	char group[SONDE_GROUP_LEN];
	char asker_group[SONDE_GROUP_LEN];
};

/* Live only, and no part of a recording. */
struct sonde_ev_met {
	struct sonde_ev_hdr h;
	__u32 tgid;
	__u32 reserved;
};

/* The next request that is sent on the connection is that goroutine's. */
struct sonde_ev_handover {
	struct sonde_ev_hdr h;
	__u64 cookie;
	__u64 goroutine;
	__u32 tgid;
	__u32 tid;
};

/* Only a thread that was told of when it was made is told of when it ends, unless its whole process
 * does. */
struct sonde_ev_thread {
	struct sonde_ev_hdr h;
	__u32 tgid;
	__u32 tid;
	__u32 by_tid; /* the thread that made it; 0: it ends */
	__u32 reserved;
};

/* User-made: who a process is. Strings are NUL terminated. */
struct sonde_ev_process {
	struct sonde_ev_hdr h;
	__u32 tgid;
	__u32 is_go;
	char comm[SONDE_COMM_LEN];
	char service[128];
	char service_namespace[64];
	char instance_id[40]; /* a longer one is told by the facts: "service.instance.id" */
	__u32 facts_len;      /* appended: what else is known of the service */
	__u32 reserved;
	char facts[]; /* "attribute=value", each ended by NUL */
};

struct sonde_ev_tick {
	struct sonde_ev_hdr h;
};

struct sonde_ev_lost {
	struct sonde_ev_hdr h;
	__u64 n; /* since the last of these */
};

struct sonde_ev_address {
	struct sonde_ev_hdr h;
	__u8 family; /* enum sonde_family */
	__u8 reserved[7];
	__u8 ip[16];
	char name[64]; /* NUL terminated, both; empty: it has none any more */
	char name_space[64];
};

/* At the beginning of a recording: later ones its own records of DNS tell. */
struct sonde_ev_resolved {
	struct sonde_ev_hdr h;
	__u64 until_ns; /* the answer holds */
	__u8 family;	/* enum sonde_family */
	__u8 reserved[7];
	__u8 ip[16];
	char name[SONDE_PATH_MAX]; /* NUL terminated */
};

struct sonde_ev_sweep {
	struct sonde_ev_hdr h;
	__u64 cookie;
};

enum { SONDE_KEEP_ALL = 1024 };

struct sonde_ev_shed {
	struct sonde_ev_hdr h;
	__u32 keep; /* connections observed from now on, of every SONDE_KEEP_ALL */
	__u32 reserved;
};

/*
 * What user space wants of one connection, in a shared array indexed by the slot of its records.
 * A verdict is absolute, so that its lag is harmless: until[dir] = SONDE_UNTIL | seq leaves out
 * every operation that ends before seq; the one that reaches or crosses seq is recorded, its bytes
 * copied from seq on only. A verdict whose seq has been passed has no effect. 0: record all.
 */
#define SONDE_UNTIL (1ULL << 32)
/* In until[0], alone: the connection is observed no longer; of it only its end is recorded. The
 * only verdict there is on a socket of datagrams. */
#define SONDE_SHED (1ULL << 33)

/* In a verdict's cookie: it speaks of the connection's plaintext, and of that alone. */
#define SONDE_VERDICT_TLS (1ULL << 62)

struct sonde_verdict {
	__u64 cookie; /* of the connection meant; another's is ignored */
	__u64 until[2];
	__u32 copy[2]; /* bytes of an operation to copy at most; 0: SONDE_COPY_MAX, and less of
			* what goes one way for long; SONDE_COPY_WHOLE */
};

/*
 * A function of a TLS library, in the low bits of its probe's attach cookie: one program serves
 * them all. The rest of the cookie is when the probe was in place, the low bits being nothing
 * beside it. Never in a record.
 */
enum sonde_tls_fn {
	SONDE_TLS_READ = 0,
	SONDE_TLS_WRITE = 1,
	SONDE_TLS_READ_EX = 2, /* success is 1, and how much is put where the caller says */
	SONDE_TLS_WRITE_EX = 3,
	SONDE_TLS_HANDSHAKE = 4,
	SONDE_TLS_FREE = 5,
	SONDE_TLS_RECV = 6, /* as READ and WRITE, of a library that has two of them */
	SONDE_TLS_SEND = 7,
	SONDE_TLS_FN_MAX = 8,
	SONDE_TLS_FN_BITS = 7,
	SONDE_TLS_SHARED = 8, /* it serves other files too: only what nests in it is of TLS */
	SONDE_TLS_LOW_BITS = 15,
};

/*
 * Of rustls HANDSHAKE is where records leave, READ and WRITE are where plaintext is taken and
 * given. MEMORY: a Result of two words is put where a hidden first argument says, as compilers did
 * that did not yet return it in registers. Behind these bits is where in a connection's state the
 * records lie that leave, in words.
 */
enum {
	SONDE_TLS_RUST = 16,
	SONDE_TLS_RUST_MEMORY = 32,
	SONDE_TLS_RUST_PLACE_SHIFT = 6,
	SONDE_TLS_RUST_PLACE_MAX = 127 * 8, /* bytes */
};

#define SONDE_TLS_RUST_PLACE(cookie) (((cookie) >> SONDE_TLS_RUST_PLACE_SHIFT & 127) * 8)

/*
 * Of Go programs READ is where crypto/tls's Read returns by, READ_EX where it copies what it will
 * return; behind the function's bits is how much of its stack is in use there, in bytes.
 */
enum { SONDE_GO_FRAME_BITS = 0x1ff8, SONDE_TLS_COOKIE_BITS = 0x1fff };

/* A glob over a name: '*' any run, '?' any one byte. */
struct sonde_glob {
	char text[64];
};

enum {
	SONDE_GLOBS = 8,
	SONDE_PORTS = 16,
	SONDE_PIDS = 16,
};

/* What is observed. Empty lists mean everything. Read-only to the programs. */
struct sonde_filter {
	__u32 self_tgid; /* never observed */
	__u32 n_pids;
	__u32 n_comms;
	__u32 n_exes;
	__u32 n_cgroups;
	__u32 n_not_comms;
	__u32 n_ports;
	__u32 pids[SONDE_PIDS];
	__u16 ports[SONDE_PORTS];
	struct sonde_glob comms[SONDE_GLOBS];
	struct sonde_glob exes[SONDE_GLOBS];
	struct sonde_glob cgroups[SONDE_GLOBS];
	struct sonde_glob not_comms[SONDE_GLOBS];
	__u32 asks_where; /* besides: only processes that are SONDE_P_INSIDE */
};

/* Value of the map `processes`, key tgid: what is known of a process that is alive. */
enum {
	SONDE_P_DECIDED = 1 << 0, /* the filter has spoken */
	SONDE_P_OBSERVED = 1 << 1,
	SONDE_P_GO = 1 << 2, /* set by user space */
	/* where processes are asked for by what user space alone knows, as their pod: its word */
	SONDE_P_INSIDE = 1 << 3,
	SONDE_P_OUTSIDE = 1 << 4,
	SONDE_P_MET = 1 << 5, /* it has been asked */
	SONDE_P_WHERE = SONDE_P_INSIDE | SONDE_P_OUTSIDE | SONDE_P_MET,
};

/* Value of the map `offcpus`, key tgid: what the observed threads of a process waited for, in all. */
enum { SONDE_DELAYS = 20 };

struct sonde_offcpu {
	__u64 wait_ns[SONDE_WAIT_MAX];
	__u64 delays[SONDE_DELAYS]; /* waits for a CPU: up to each of SONDE_DELAY_BOUNDS, then
				       longer */
};

/* Key of the map `tcp_tallies`: whose connections, and of clients: to whom. */
struct sonde_tcp_key {
	__u32 tgid;
	__u16 port; /* the peer's, host order; of servers 0, and no family and no address */
	__u8 family;
	__u8 role;
	__u8 ip[16];
};

/* Its value. Times and counts since the observer knows the connections. */
struct sonde_tcp {
	__u64 connect_ns; /* all handshakes that ended well */
	__u64 connect_delays[SONDE_DELAYS];
	__u64 rtt_ns; /* all samples: of each connection at each walk, and at its end */
	__u64 rtt_delays[SONDE_DELAYS];
	__u64 bytes[2]; /* by enum sonde_dir, each once however often it was sent */
	__u64 retransmits;
	__u64 resets[2];
	__u64 zero_windows[2]; /* windows a walk found closed and the one before had not */
	__u64 oldest_ns;       /* of the connections open at the last walk: when it began */
	__u32 walk;	       /* its number */
	__u32 active;	       /* connections it found */
};

/* A listening socket, as a walk over descriptors finds it: once for each that names it. */
struct sonde_listener {
	__u64 socket; /* and inode together: which; 0: nothing, a pause in the walk */
	__u64 inode;
	__u32 tgid;
	__u32 waiting; /* connections to be accepted */
	__u32 room;    /* for so many, and one more */
	__u32 drops;   /* connections and beginnings of some that it let go, modulo 2^32 */
};

/* Key of the map `disks`: whose requests. */
struct sonde_disk_key {
	__u32 disk; /* major << 20 | first minor */
	__u32 tgid; /* who asked for them; 0: a thread of the kernel's, or nobody who is observed */
	__u64 group; /* whose pages such a thread writes back, a cgroup's number; 0: nobody's */
};

/* Its value. */
struct sonde_disk {
	char name[32];
	__u64 delays[2][SONDE_DELAYS]; /* reads, writes */
	__u64 ns[2];
};

/* Those of the duration histograms, in nanoseconds. */
#define SONDE_DELAY_BOUNDS                                                                         \
	100000, 250000, 500000, 1000000, 2500000, 5000000, 10000000, 25000000, 50000000, 75000000, \
		100000000, 250000000, 500000000, 750000000, 1000000000, 2500000000, 5000000000,    \
		7500000000, 10000000000

/* Index into the per-CPU counters: what no record tells. The reasons for loss are exported under
 * the names in user/capture/losses.def, always all of them. */
enum sonde_counter {
	SONDE_CNT_SKIPPED = 0,	     /* operations left out by verdict */
	SONDE_CNT_LOST_REQUEST = 1,  /* ring full: data records of the direction requests take */
	SONDE_CNT_LOST_RESPONSE = 2, /* ring full: data records of the other direction */
	SONDE_CNT_LOST_CONTROL = 3,  /* ring full: any other record */
	SONDE_CNT_NO_STORAGE = 4,    /* no memory for the state of a connection */
	SONDE_CNT_FAULT = 5,	     /* the user's memory could not be read */
	SONDE_CNT_UNKNOWN_CALL = 6,  /* an operation whose buffer is not known: length only */
	SONDE_CNT_COMPAT = 7,	     /* a 32-bit task's: length only */
	SONDE_CNT_RACED = 8, /* two threads raced on a socket and the order is not certain */
	SONDE_CNT_LOST_DATAGRAM = 9, /* ring full: records of datagrams */
	SONDE_CNT_TLS_UNBOUND = 10,  /* plaintext whose socket is not certain */
	SONDE_CNT_NO_TALLY = 11,     /* what found no room to be added up: of TCP, of disks */
	SONDE_CNT_NO_THREAD = 12,    /* threads made that there was no room to tell the end of */
	SONDE_CNT_NO_REST = 13,	     /* processes that ended, likewise of what their end takes */
	SONDE_CNT_NO_LEAVING = 14,   /* connections that could not be let go when they should */
	SONDE_CNT_NO_SHAKEN = 15,    /* handshakes in memory that there was no room to remember */
	SONDE_CNT_MAX = 16,
};

/* What became of a request that might be given a line: it was, or why it was passed over. Live
 * only. With those marked * the connection is let go, and what it sends later is not counted. */
enum sonde_passed {
	SONDE_PASSED_NOT = 0,	   /* it was given one */
	SONDE_PASSED_OWN = 1,	   /* it says itself what trace it belongs to */
	SONDE_PASSED_UPGRADE = 2,  /* what follows may be another protocol * */
	SONDE_PASSED_NOT_HTTP = 3, /* no beginning of an HTTP/1 request * */
	SONDE_PASSED_DOUBT = 4,	   /* its head is not whole in one send, or not as it must be * */
	SONDE_PASSED_AHEAD = 5,	   /* sent before the last answer was read */
	SONDE_PASSED_MORE = 6,	   /* there is something behind it in one send * */
	SONDE_PASSED_UNSENT = 7,   /* TCP has bytes to send, or would cut the head into segments */
	SONDE_PASSED_NO_ROOM = 8,  /* no memory at the moment */
	SONDE_PASSED_UNSEEN = 9,   /* bytes went by unseen, or others than were announced * */
	SONDE_PASSED_MAX = 10,
};

_Static_assert(sizeof(struct sonde_ev_hdr) == 16, "header");
_Static_assert(sizeof(struct sonde_sched) == 72, "scheduler accounting");
_Static_assert(sizeof(struct sonde_ev_data) == 176, "data");
_Static_assert(sizeof(struct sonde_injected) == 76, "injected line");
_Static_assert(sizeof(struct sonde_ev_open) == 232, "open");
_Static_assert(sizeof(struct sonde_ev_datagram) == 200, "datagram");
_Static_assert(sizeof(struct sonde_ev_close) == 72, "close");
_Static_assert(sizeof(struct sonde_ev_connect) == 96, "connect");
_Static_assert(sizeof(struct sonde_ev_exec) == 832, "exec");
_Static_assert(sizeof(struct sonde_ev_exit) == 96, "exit");
_Static_assert(sizeof(struct sonde_ev_rest) == 72, "rest");
_Static_assert(sizeof(struct sonde_ev_oom) == 152, "out of memory");
_Static_assert(sizeof(struct sonde_ev_thread) == 32, "thread");
_Static_assert(sizeof(struct sonde_ev_address) == 168, "address");
_Static_assert(sizeof(struct sonde_ev_resolved) == 304, "resolved");
_Static_assert(sizeof(struct sonde_verdict) == 32, "verdict");
_Static_assert(sizeof(struct sonde_tcp_key) == 24, "key of TCP's sums");

#pragma GCC diagnostic pop

#endif
