// SPDX-License-Identifier: Apache-2.0
#include "capture/tls_rust.h"

#include <string.h>
#include <unistd.h>
#include "sonde_abi.h"

enum {
	PARTS_MAX = 3,
	CODE_MAX = 48, /* bytes of write_tls, which is smaller */
	CALL = 0xe8,
	JMP = 0xe9,
	JUMP_LEN = 5,
};

/* Parts of a name in the order in which they come: as compilers have mangled it since ever, and by
 * the rules of Rust's RFC 2603, where a name follows its length. */
static const struct {
	enum tls_rust_fn fn;
	const char *parts[PARTS_MAX];
} names[] = {
	{ TLS_RUST_READ, { "$LT$rustls..conn..Reader$u20$as$u20$std..io..Read$GT$4read17h" } },
	{ TLS_RUST_READ, { "6rustls4conn", "6ReaderNt", "3std2io4Read4read" } },
	{ TLS_RUST_READ_BUF,
	  { "$LT$rustls..conn..Reader$u20$as$u20$std..io..Read$GT$8read_buf17h" } },
	{ TLS_RUST_READ_BUF, { "6rustls4conn", "6ReaderNt", "3std2io4Read8read_buf" } },
	{ TLS_RUST_GIVE, { "6rustls", "11CommonState19send_some_plaintext" } },
	{ TLS_RUST_PIECES, { "6rustls", "11CommonState16buffer_plaintext" } },
	{ TLS_RUST_SEND, { "6rustls6vecbuf", "14ChunkVecBuffer8write_to" } },
	{ TLS_RUST_WRITE_TLS, { "6rustls", "11CommonState9write_tls" } },
};

static bool has_parts(const char *name, const char *const parts[PARTS_MAX])
{
	for (int i = 0; i < PARTS_MAX && parts[i]; i++) {
		name = strstr(name, parts[i]);
		if (!name)
			return false;
		name += strlen(parts[i]);
	}
	return true;
}

void tls_rust_take(struct tls_rust *r, const char *name, uint64_t offset)
{
	if ((strncmp(name, "_R", 2) != 0 && strncmp(name, "_ZN", 3) != 0) || !offset ||
	    !strstr(name, "rustls"))
		return;
	r->is_there = true;
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		uint64_t *at = &r->at[names[i].fn];

		if (!has_parts(name, names[i].parts))
			continue;
		r->has_several |= *at && *at != offset;
		*at = offset;
	}
}

/* Intel SDM, volume 2: add of a number to a register; rdi has the first argument, rsi the second,
 * which the state is where the first says where to put the result. */
int tls_rust_place(const uint8_t *code, size_t n, uint64_t at, uint64_t to)
{
	for (size_t i = 0; i + 3 < n; i++) {
		const uint8_t *p = code + i;
		size_t len = p[1] == 0x81 ? 7 : 4;
		int32_t place = (int8_t)p[3], by;

		if (p[0] != 0x48 || (p[1] != 0x81 && p[1] != 0x83) ||
		    (p[2] != 0xc7 && p[2] != 0xc6) || i + len + JUMP_LEN > n)
			continue;
		if (p[1] == 0x81)
			memcpy(&place, p + 3, sizeof(place));
		if (p[len] != CALL && p[len] != JMP)
			continue;
		memcpy(&by, p + len + 1, sizeof(by));
		if (at + i + len + JUMP_LEN + (uint64_t)(int64_t)by != to || place <= 0 ||
		    place > SONDE_TLS_RUST_PLACE_MAX || place % 8)
			continue;
		return SONDE_TLS_RUST | (p[2] == 0xc6 ? SONDE_TLS_RUST_MEMORY : 0) |
		       place / 8 << SONDE_TLS_RUST_PLACE_SHIFT;
	}
	return -1;
}

const char *tls_rust_read(const struct tls_rust *r, int fd, uint32_t *bits)
{
	uint64_t at = r->at[TLS_RUST_WRITE_TLS];
	uint8_t code[CODE_MAX];
	ssize_t n;
	int found;

	if (!r->is_there) {
		*bits = 0;
		return NULL;
	}
	if (r->has_several)
		return "several versions of rustls are linked into it";
	if (!r->at[TLS_RUST_GIVE] && r->at[TLS_RUST_PIECES])
		return "its rustls is 0.23 or later, where plaintext is handed over in a form that "
		       "Rust lays out as it likes: only 0.20 and 0.21 are known";
	if (!r->at[TLS_RUST_GIVE])
		return "its rustls has no function CommonState::send_some_plaintext: it is of "
		       "another version than 0.20 and 0.21, or the compiler dissolved it";
	if (!r->at[TLS_RUST_READ] || r->at[TLS_RUST_READ_BUF])
		return "it takes plaintext from rustls otherwise than by Reader::read alone";
	if (!r->at[TLS_RUST_SEND] || !at)
		return "the functions by which its rustls sends were dissolved by the compiler";
	n = pread(fd, code, sizeof(code), (off_t)at);
	found = n > 0 ? tls_rust_place(code, (size_t)n, at, r->at[TLS_RUST_SEND]) : -1;
	if (found < 0)
		return "its rustls is compiled in a way that sonde does not know";
	*bits = (uint32_t)found;
	return NULL;
}
