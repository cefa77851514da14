// SPDX-License-Identifier: Apache-2.0
/* Plaintext takes the place of ciphertext; libraries are known by name, by symbols, by mapping. */
#include <stddef.h>
#include <stdint.h>
#include <stdarg.h>
#include <setjmp.h>
#include <cmocka.h>

#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/sendfile.h>
#include <sys/stat.h>
#include <unistd.h>
#include "capture/tls_dark.h"
#include "capture/tls_maps.h"
#include "capture/tls_symbols.h"
#include "fake_elf.h"
#include "sim_fixture.h"
#include "util/elf_file.h"

#define HELLO	 "\x16\x03\x01\x02\x05\x01 and so on"
#define ALERT	 "\x15\x03\x03\x01\x02refused"
#define DATA	 "\x17\x03\x03\x01\x0a scrambled"
#define OK_LARGE "HTTP/1.1 200 OK\r\nContent-Length: 5000000\r\n\r\n"

/* What comes is told by a library, counted from its first byte. */
static void plaintext_begins(uint16_t more)
{
	sim.flags = SONDE_F_TLS | more;
	sim.conns[0].seq[SONDE_TX] = sim.conns[0].seq[SONDE_RX] = 0;
}

static void handshake(void)
{
	sim_open(&sim, 1, SONDE_ROLE_SERVER);
	sim_rx(&sim, 1, HELLO);
	sim_tx(&sim, 1, HELLO);
}

static void plaintext_takes_over(void **state)
{
	handshake();
	plaintext_begins(SONDE_F_TLS_FRESH);
	sim_rx(&sim, 1, GET);
	sim_tx(&sim, 1, OK);
	sim_play(&play, &sim, 0, sim.n);
	assert_int_equal(play.n_txns, 1);
	assert_non_null(strstr(play.out, "/a"));
	assert_int_equal(conns_stats(play.conns)->parsed, 1);
	assert_int_equal(conns_stats(play.conns)->encrypted, 0);
	assert_int_equal(all_losses(), 0);
}

static void ciphertext_that_is_late_says_nothing(void **state)
{
	struct sim_conn at;

	handshake();
	at = sim.conns[0];
	plaintext_begins(SONDE_F_TLS_FRESH);
	sim_rx(&sim, 1, GET);
	sim.flags = 0;
	sim.conns[0].seq[SONDE_TX] = at.seq[SONDE_TX];
	sim_tx(&sim, 1, DATA);
	plaintext_begins(SONDE_F_TLS_FRESH);
	sim.conns[0].seq[SONDE_RX] = sizeof(GET) - 1;
	sim_tx(&sim, 1, OK);
	/* an end that speaks of the wire has no hole to tell of */
	sim.flags = 0;
	sim.conns[0] = at;
	sim_close(&sim, 1, SONDE_CLOSE_DONE, 0);
	sim_play(&play, &sim, 0, sim.n);
	assert_int_equal(play.n_txns, 1);
	assert_null(strstr(play.out, "error="));
	assert_int_equal(all_losses(), 0);
}

static void the_end_of_the_wire_ends_the_plaintext(void **state)
{
	handshake();
	plaintext_begins(SONDE_F_TLS_FRESH);
	sim_rx(&sim, 1, GET);
	sim.flags = 0;
	sim_close(&sim, 1, SONDE_CLOSE_RESET, ECONNRESET);
	sim_play(&play, &sim, 0, sim.n);
	assert_int_equal(play.n_txns, 1);
	assert_non_null(strstr(play.out, "connection_reset"));
}

/* A client's request, and then both sides have shut down theirs: of what is left to be read the
 * wire's end knows nothing. */
static void both_have_shut_down(void)
{
	sim_open(&sim, 1, SONDE_ROLE_CLIENT);
	sim_tx(&sim, 1, HELLO);
	sim_rx(&sim, 1, HELLO);
	plaintext_begins(SONDE_F_TLS_FRESH);
	sim_tx(&sim, 1, GET);
	sim_close(&sim, 1, SONDE_CLOSE_LOCAL, 0);
	sim_close(&sim, 1, SONDE_CLOSE_DONE, 0);
}

static void an_answer_is_read_behind_the_end_of_the_wire(void **state)
{
	both_have_shut_down();
	sim_wait(&sim, 300 * 1000 * 1000);
	sim_rx(&sim, 1, OK);
	sim_play(&play, &sim, 0, sim.n);
	assert_int_equal(play.n_txns, 1);
	assert_non_null(strstr(play.out, "200"));
	assert_int_equal(all_losses(), 0);
}

static void an_answer_is_not_read_behind_the_end_of_the_wire(void **state)
{
	both_have_shut_down();
	sim_play(&play, &sim, 0, sim.n);
	assert_int_equal(play.n_txns, 0);
	sim_sweep(&sim, 1); /* the socket has gone */
	sim_play(&play, &sim, sim.n - 1, sim.n);
	assert_int_equal(play.n_txns, 1);
	assert_null(strstr(play.out, "200"));
	assert_int_equal(all_losses(), 0);
}

static void joined_in_the_middle_nothing_is_mistaken(void **state)
{
	handshake();
	plaintext_begins(0);
	sim_tx(&sim, 1, "the rest of an answer");
	sim_rx(&sim, 1, GET);
	sim_tx(&sim, 1, OK);
	sim_play(&play, &sim, 0, sim.n);
	assert_int_equal(play.n_txns, 1);
	assert_non_null(strstr(play.out, "/a"));
}

static void verdicts_speak_of_the_plaintext(void **state)
{
	play.obeys = true;
	sim_open(&sim, 1, SONDE_ROLE_SERVER);
	sim_rx(&sim, 1, HELLO);
	sim_tx(&sim, 1, ALERT); /* no handshake to follow any more */
	sim_play(&play, &sim, 0, sim.n);
	assert_int_equal(play.verdicts[1].cookie, 1);
	plaintext_begins(SONDE_F_TLS_FRESH);
	sim_rx(&sim, 1, GET);
	sim_tx(&sim, 1, OK_LARGE);
	sim_play(&play, &sim, 3, sim.n);
	assert_int_equal(play.verdicts[1].cookie, 1 | SONDE_VERDICT_TLS);
	assert_int_equal((uint32_t)play.verdicts[1].until[SONDE_TX],
			 sizeof(OK_LARGE) - 1 + 5000000);
}

static uint64_t watched_ns;

static uint64_t tls_since(void *ctx, uint32_t tgid)
{
	return watched_ns;
}

/* As setup(), where it is known since when libraries are watched. */
static int setup_watched(void **state)
{
	sim_init(&sim);
	play = (struct sim_play){ .opts.tls_since = tls_since };
	sim_play_init(&play);
	return 0;
}

/* A connection whose plaintext is told from somewhere on, if at all. */
static uint64_t late_of(uint64_t since_ns, bool is_told, uint16_t more)
{
	uint64_t before = loss(LOSS_TLS_LATE), cookie = sim.n_conns + 1;
	size_t at = sim.n;

	watched_ns = since_ns;
	sim.flags = 0;
	sim_open(&sim, cookie, SONDE_ROLE_SERVER);
	sim_rx(&sim, cookie, HELLO);
	sim_tx(&sim, cookie, HELLO);
	sim_rx(&sim, cookie, DATA);
	if (is_told) {
		sim.flags = SONDE_F_TLS | more;
		sim_rx(&sim, cookie, GET);
		sim.flags = 0;
	}
	sim_close(&sim, cookie, SONDE_CLOSE_DONE, 0);
	sim_play(&play, &sim, at, sim.n);
	return loss(LOSS_TLS_LATE) - before;
}

static void what_began_before_its_library_was_watched(void **state)
{
	assert_int_equal(late_of(UINT64_MAX, true, 0), 1);
	assert_int_equal(late_of(UINT64_MAX, false, 0), 1);
	assert_int_equal(late_of(UINT64_MAX, true, SONDE_F_TLS_FRESH), 0);
	/* watched before, or not at all: it is dark for another reason */
	assert_int_equal(late_of(1, true, 0), 0);
	assert_int_equal(late_of(1, false, 0), 0);
	assert_int_equal(late_of(0, false, 0), 0);
}

static void libraries_by_name(void **state)
{
	assert_int_equal(tls_library_of("/usr/lib/libssl.so.3"), TLS_LIB_OPENSSL);
	assert_int_equal(tls_library_of("libssl-1a2b3c.so.1.1"), TLS_LIB_OPENSSL);
	assert_int_equal(tls_library_of("/lib/libgnutls.so.30.34.3"), TLS_LIB_GNUTLS);
	assert_int_equal(tls_library_of("/lib/libssl.a"), TLS_LIB_NONE);
	assert_int_equal(tls_library_of("/lib/libssl3.so"), TLS_LIB_NONE); /* NSS */
	assert_int_equal(tls_library_of("/usr/lib/libnspr4.so"), TLS_LIB_NSS);
	assert_int_equal(tls_library_of("/srv/libssl.so.3/data"), TLS_LIB_NONE);
	assert_int_equal(tls_library_of(""), TLS_LIB_NONE);
}

static void files_without_the_functions(void **state)
{
	struct tls_symbols s;

	assert_int_equal(tls_symbols_read("/proc/self/status", &s), -ENOEXEC);
	assert_int_equal(tls_symbols_read("/nowhere", &s), -ENOENT);
	assert_int_equal(tls_symbols_read("/proc/self/exe", &s), 0);
	assert_int_equal(s.library, TLS_LIB_NONE);
}

/* --- files that are anybody's --- */

static int cut_fd = -1; /* of a file that its owner cuts short as soon as it is open here */

/* In the library's place: it is asked once the file's head has been read. */
Elf_Kind elf_kind(Elf *elf)
{
	if (cut_fd >= 0)
		assert_int_equal(ftruncate(cut_fd, 4096), 0);
	return ELF_K_ELF;
}

/* This program, which has symbols, where its owner can write to it. */
static int copy_of_self(char path[64])
{
	int from = open("/proc/self/exe", O_RDONLY | O_CLOEXEC);
	int to = memfd_create("copy", MFD_CLOEXEC);
	struct stat st;

	assert_int_equal(fstat(from, &st), 0);
	assert_int_equal(sendfile(to, from, NULL, (size_t)st.st_size), st.st_size);
	close(from);
	snprintf(path, 64, "/proc/self/fd/%d", to);
	return to;
}

static void files_that_are_cut_short_meanwhile(void **state)
{
	struct tls_symbols s = { .library = TLS_LIB_NSS };
	char path[64];

	cut_fd = copy_of_self(path);
	assert_int_equal(tls_symbols_read(path, &s), 0); /* and it is still there to say so */
	assert_int_equal(s.library, TLS_LIB_NONE);
	close(cut_fd);
	cut_fd = copy_of_self(path);
	assert_null(tls_dark_in(path));
	close(cut_fd);
	cut_fd = -1;
}

/* Holes take no room in a file: it can say that its tables are larger than all memory. */
static void files_larger_than_any(void **state)
{
	struct fake_elf elf = fake_elf(".symtab");
	int fd = memfd_create("large", MFD_CLOEXEC);
	struct tls_symbols s;
	char path[64];

	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	elf.sections[2].sh_type = SHT_SYMTAB;
	elf.sections[2].sh_entsize = sizeof(Elf64_Sym);
	elf.sections[2].sh_size = 1ULL << 40;
	assert_int_equal(ftruncate(fd, 2L << 40), 0);
	assert_int_equal(pwrite(fd, &elf, sizeof(elf), 0), sizeof(elf));
	assert_int_equal(tls_symbols_read(path, &s), -EFBIG);
	elf.sections[2].sh_size = ELF_FILE_TABLES_MAX - sizeof(elf.names);
	assert_int_equal(pwrite(fd, &elf, sizeof(elf), 0), sizeof(elf));
	assert_int_equal(tls_symbols_read(path, &s), 0);
	elf.sections[2].sh_size++;
	assert_int_equal(pwrite(fd, &elf, sizeof(elf), 0), sizeof(elf));
	assert_int_equal(tls_symbols_read(path, &s), -EFBIG);
	elf = fake_elf(".symtab");
	elf.head.e_shnum = 0; /* as many as the first says, which is no section */
	elf.sections[0].sh_size = 1 << 30;
	assert_int_equal(pwrite(fd, &elf, sizeof(elf), 0), sizeof(elf));
	assert_int_equal(tls_symbols_read(path, &s), -EFBIG);
	close(fd);
}

struct found {
	struct tls_mapped openssl;
	char path[PATH_MAX];
	int n;
};

static void on_mapped(void *ctx, const struct tls_mapped *m)
{
	struct found *f = ctx;

	if (m->library != TLS_LIB_OPENSSL)
		return;
	f->openssl = *m;
	snprintf(f->path, sizeof(f->path), "%s", m->path);
	f->openssl.path = f->path;
	f->n++;
}

static void what_a_process_maps(void **state)
{
	struct found f = { .n = 0 };
	struct tls_symbols s;
	char path[TLS_PATH_MAX];
	struct stat st;

	if (!dlopen("libssl.so.3", RTLD_NOW))
		skip();
	assert_int_equal(tls_maps_each((uint32_t)getpid(), on_mapped, &f), 0);
	assert_int_equal(f.n, 1);
	assert_int_equal(stat(f.openssl.path, &st), 0);
	assert_int_equal(f.openssl.inode, st.st_ino);
	assert_false(f.openssl.is_deleted);
	tls_maps_path((uint32_t)getpid(), &f.openssl, path, sizeof(path));
	assert_int_equal(tls_symbols_read(path, &s), 0);
	assert_int_equal(s.library, TLS_LIB_OPENSSL);
	/* the plain forms may be served by what they call */
	assert_true(s.at[SONDE_TLS_READ_EX] && s.at[SONDE_TLS_WRITE_EX]);
	assert_true(s.at[SONDE_TLS_HANDSHAKE] && s.at[SONDE_TLS_FREE]);
	assert_int_equal(tls_maps_each(UINT32_MAX, on_mapped, &f), -ENOENT);
}

/* Makes folders one within the other until the path of a file in the last one is `len` long. */
static int file_at(char *path, size_t len, const char *name)
{
	size_t n = strlen(path), left;

	while ((left = len - n - strlen(name) - 1) > 1) {
		size_t part = left - 1 > 200 ? 200 : left - 1;

		if (left - 1 - part == 1) /* there is no name of no length */
			part--;
		path[n++] = '/';
		memset(path + n, 'd', part);
		path[n += part] = '\0';
		if (mkdir(path, 0700) < 0)
			return -1;
	}
	sprintf(path + n, "/%s", name);
	return open(path, O_RDWR | O_CREAT | O_EXCL, 0700);
}

static void remove_up(char *path, const char *top)
{
	assert_int_equal(unlink(path), 0);
	for (;;) {
		*strrchr(path, '/') = '\0';
		assert_int_equal(rmdir(path), 0);
		if (strcmp(path, top) == 0)
			return;
	}
}

/* The file of a library that is looked for by what `fn` is told. */
struct wanted {
	ino_t inode;
	char path[PATH_MAX], opened[TLS_PATH_MAX], by_root[TLS_PATH_MAX];
	enum tls_library library;
	int n;
};

static void on_wanted(void *ctx, const struct tls_mapped *m)
{
	struct tls_mapped nowhere = *m;
	struct wanted *w = ctx;

	if (m->inode != w->inode)
		return;
	w->n++;
	w->library = m->library;
	snprintf(w->path, sizeof(w->path), "%s", m->path);
	tls_maps_path((uint32_t)getpid(), m, w->opened, sizeof(w->opened));
	nowhere.start = nowhere.end = 0; /* as without the right to open mappings */
	tls_maps_path((uint32_t)getpid(), &nowhere, w->by_root, sizeof(w->by_root));
}

static void paths_of_any_length(void **state)
{
	static const size_t lengths[] = { 255, 256, 1024, 3000, PATH_MAX - 1 };

	for (size_t i = 0; i < sizeof(lengths) / sizeof(lengths[0]); i++) {
		char top[] = "/tmp/sonde-maps-XXXXXX", path[PATH_MAX];
		struct wanted w = { .n = 0 };
		struct stat st, opened;
		void *code;
		int fd;

		assert_non_null(mkdtemp(top));
		strcpy(path, top);
		fd = file_at(path, lengths[i], "libssl.so.3");
		assert_true(fd >= 0);
		assert_int_equal(strlen(path), lengths[i]);
		assert_int_equal(ftruncate(fd, 4096), 0);
		assert_int_equal(fstat(fd, &st), 0);
		code = mmap(NULL, 4096, PROT_READ | PROT_EXEC, MAP_PRIVATE, fd, 0);
		assert_ptr_not_equal(code, MAP_FAILED);
		w.inode = st.st_ino;
		assert_int_equal(tls_maps_each((uint32_t)getpid(), on_wanted, &w), 0);
		assert_int_equal(w.n, 1);
		assert_int_equal(w.library, TLS_LIB_OPENSSL);
		assert_string_equal(w.path, path);
		assert_int_equal(strlen(w.by_root),
				 strlen("/proc//root") + (size_t)snprintf(NULL, 0, "%d", getpid()) +
					 lengths[i]);
		if (strlen(w.by_root) < PATH_MAX) {
			assert_int_equal(stat(w.by_root, &opened), 0);
			assert_int_equal(opened.st_ino, st.st_ino);
		}
		if (geteuid() == 0) {
			assert_int_equal(stat(w.opened, &opened), 0);
			assert_int_equal(opened.st_ino, st.st_ino);
		}
		munmap(code, 4096);
		close(fd);
		remove_up(path, top);
	}
}

/* Longer than any that can be opened, by the folder the process is in, and made to look like the
 * mapping of a file that is not there, at each folder's beginning or its end. */
static void map_below(const char *top, bool at_end)
{
	static const char fake[] = "7f0000000000-7f0000001000 r-xp 00000000 00:01 77 ";
	struct wanted w = { .inode = 77 };
	char name[251];
	int fd, depth;
	void *code;

	assert_int_equal(chdir(top), 0);
	memset(name, ' ', sizeof(name)); /* wherever a line is cut, one of the two begins so */
	memcpy(at_end ? name + 250 - strlen(fake) : name, fake, strlen(fake));
	name[250] = '\0';
	for (depth = 0; depth < 24; depth++) {
		assert_int_equal(mkdir(name, 0700), 0);
		assert_int_equal(chdir(name), 0);
	}
	fd = open("libssl.so.3", O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0700);
	assert_true(fd >= 0);
	assert_int_equal(ftruncate(fd, 4096), 0);
	code = mmap(NULL, 4096, PROT_READ | PROT_EXEC, MAP_PRIVATE, fd, 0);
	assert_ptr_not_equal(code, MAP_FAILED);
	assert_int_equal(tls_maps_each((uint32_t)getpid(), on_wanted, &w), 0);
	assert_int_equal(w.n, 0);
	munmap(code, 4096);
	close(fd);
	assert_int_equal(unlink("libssl.so.3"), 0);
	for (; depth > 0; depth--) {
		assert_int_equal(chdir(".."), 0);
		assert_int_equal(rmdir(name), 0);
	}
}

static void a_path_that_looks_like_a_mapping(void **state)
{
	int home = open(".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	char top[] = "/tmp/sonde-maps-XXXXXX";

	assert_true(home >= 0);
	assert_non_null(mkdtemp(top));
	map_below(top, false);
	map_below(top, true);
	assert_int_equal(fchdir(home), 0);
	close(home);
	assert_int_equal(rmdir(top), 0);
}

static void below_a_root(void **state)
{
	assert_string_equal(tls_maps_below("/jail/lib/libssl.so.3", "/jail"), "/lib/libssl.so.3");
	assert_string_equal(tls_maps_below("/jailer/libssl.so.3", "/jail"), "/jailer/libssl.so.3");
	assert_string_equal(tls_maps_below("/lib/libssl.so.3", "/"), "/lib/libssl.so.3");
	assert_string_equal(tls_maps_below("/lib/libssl.so.3", ""), "/lib/libssl.so.3");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(plaintext_takes_over, setup, teardown),
		cmocka_unit_test_setup_teardown(ciphertext_that_is_late_says_nothing, setup,
						teardown),
		cmocka_unit_test_setup_teardown(the_end_of_the_wire_ends_the_plaintext, setup,
						teardown),
		cmocka_unit_test_setup_teardown(an_answer_is_read_behind_the_end_of_the_wire, setup,
						teardown),
		cmocka_unit_test_setup_teardown(an_answer_is_not_read_behind_the_end_of_the_wire,
						setup, teardown),
		cmocka_unit_test_setup_teardown(joined_in_the_middle_nothing_is_mistaken, setup,
						teardown),
		cmocka_unit_test_setup_teardown(verdicts_speak_of_the_plaintext, setup, teardown),
		cmocka_unit_test_setup_teardown(what_began_before_its_library_was_watched,
						setup_watched, teardown),
		cmocka_unit_test(libraries_by_name),
		cmocka_unit_test(files_without_the_functions),
		cmocka_unit_test(files_that_are_cut_short_meanwhile),
		cmocka_unit_test(files_larger_than_any),
		cmocka_unit_test(what_a_process_maps),
		cmocka_unit_test(paths_of_any_length),
		cmocka_unit_test(a_path_that_looks_like_a_mapping),
		cmocka_unit_test(below_a_root),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
