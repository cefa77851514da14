// SPDX-License-Identifier: Apache-2.0
/* TLS handshakes as far as they are in the clear, in whatever pieces they come. */
#include <stddef.h>
#include <stdint.h>
#include <stdarg.h>
#include <setjmp.h>
#include <cmocka.h>

#include <string.h>
#include "stream/hello.h"

#define RANDOM	    "0123456789abcdef0123456789abcdef"
#define SERVER_NAME "\x00\x00\x00\x11\x00\x0f\x00\x00\x0cshop.example"
#define CLIENT_ALPN "\x00\x10\x00\x05\x00\x03\x02h2"
#define SERVER_ALPN "\x00\x10\x00\x05\x00\x03\x02h2"
#define CLIENT_BODY                       \
	"\x01\x00\x00\x4b\x03\x03" RANDOM \
	"\x00\x00\x02\x13\x01\x01\x00\x00\x1e" SERVER_NAME CLIENT_ALPN
#define SERVER_BODY "\x02\x00\x00\x31\x03\x03" RANDOM "\x00\x13\x01\x00\x00\x09" SERVER_ALPN
#define CHANGE	    "\x14\x03\x03\x00\x01\x01"
#define ENCRYPTED   "\x17\x03\x03\x00\x04\xde\xad\xbe\xef"

static uint8_t client[256], server[256];
static size_t n_client, n_server;

static size_t append(uint8_t *to, size_t at, const char *p, size_t n)
{
	memcpy(to + at, p, n);
	return at + n;
}

static size_t record(uint8_t *to, const char *body, size_t n)
{
	const uint8_t head[] = { 0x16, 3, 1, 0, (uint8_t)n };

	return append(to, append(to, 0, (const char *)head, sizeof(head)), body, n);
}

static int setup(void **state)
{
	n_client = record(client, CLIENT_BODY, sizeof(CLIENT_BODY) - 1);
	n_client = append(client, n_client, CHANGE, sizeof(CHANGE) - 1);
	n_client = append(client, n_client, ENCRYPTED, sizeof(ENCRYPTED) - 1);
	n_server = record(server, SERVER_BODY, sizeof(SERVER_BODY) - 1);
	n_server = append(server, n_server, CHANGE, sizeof(CHANGE) - 1);
	n_server = append(server, n_server, ENCRYPTED, sizeof(ENCRYPTED) - 1);
	return 0;
}

static void assert_words(const struct hello *h)
{
	struct hello_words w;

	hello_read(h, &w);
	assert_string_equal(w.server_name, "shop.example");
	assert_string_equal(w.next_protocol, "h2");
}

static void both_ends_in_pieces_of_any_size(void **state)
{
	for (size_t each = 1; each <= n_client; each++) {
		struct hello h = { .start_ns = 0 };
		int rc = 0;

		for (size_t at = 0; at < n_client; at += each) {
			size_t n = n_client - at < each ? n_client - at : each;

			rc = hello_take(&h, SONDE_RX, 7 + (uint32_t)at, (uint32_t)n,
					(struct slice){ client + at, n });
			assert_int_equal(rc, 0);
		}
		for (size_t at = 0; at < n_server && !rc; at += each) {
			size_t n = n_server - at < each ? n_server - at : each;

			rc = hello_take(&h, SONDE_TX, 0xfffffff0u + (uint32_t)at, (uint32_t)n,
					(struct slice){ server + at, n });
		}
		assert_int_equal(rc, 1);
		assert_words(&h);
	}
}

/* A certificate that was not copied whole is a hole within its record. */
static void what_was_not_copied_is_passed_over(void **state)
{
	struct hello h = { .start_ns = 0 };

	assert_int_equal(
		hello_take(&h, SONDE_TX, 0, (uint32_t)n_client, (struct slice){ client, n_client }),
		0);
	assert_int_equal(hello_take(&h, SONDE_RX, 0, 5 + sizeof(SERVER_BODY) - 1,
				    (struct slice){ server, 40 }),
			 0);
	assert_int_equal(hello_take(&h, SONDE_RX, 5 + sizeof(SERVER_BODY) - 1, 6,
				    (struct slice){ (const uint8_t *)CHANGE, 6 }),
			 1);
}

static void what_cannot_be_followed_is_given_up(void **state)
{
	struct hello h = { .start_ns = 0 };
	static const uint8_t alert[] = { 0x15, 3, 3, 0, 2, 2, 40 };

	assert_int_equal(hello_take(&h, SONDE_TX, 0, 20, (struct slice){ client, 20 }), 0);
	assert_int_equal(hello_take(&h, SONDE_TX, 21, 5, (struct slice){ client + 21, 5 }), -1);
	h = (struct hello){ .start_ns = 0 };
	assert_int_equal(
		hello_take(&h, SONDE_TX, 0, sizeof(alert), (struct slice){ alert, sizeof(alert) }),
		-1);
	h = (struct hello){ .start_ns = 0 };
	assert_int_equal(hello_take(&h, SONDE_TX, 0, 8, SLICE("GET / HT")), -1);
	h = (struct hello){ .start_ns = 0 };
	assert_int_equal(hello_take(&h, SONDE_TX, 0, 4000, (struct slice){ client, 20 }), -1);
}

static void a_message_that_is_cut_or_wrong_says_less(void **state)
{
	size_t n = sizeof(CLIENT_BODY) - 1;
	struct hello_words w;

	for (size_t cut = 0; cut <= n; cut++) {
		struct hello h = { .start_ns = 0 };

		memcpy(h.half[0].body, CLIENT_BODY, n);
		h.half[0].n_body = (uint16_t)cut;
		hello_read(&h, &w);
		assert_string_equal(w.next_protocol, "");
		if (cut == n)
			assert_string_equal(w.server_name, "shop.example");
		for (int c = 0; c < 256 && cut < n; c++) {
			h.half[0].n_body = (uint16_t)n;
			h.half[0].body[cut] = (uint8_t)c;
			hello_read(&h, &w);
			assert_true(strlen(w.server_name) < sizeof(w.server_name));
		}
	}
}

static void begins(void **state)
{
	assert_true(hello_begins((struct slice){ client, n_client }));
	assert_true(hello_begins((struct slice){ client, 3 }));
	assert_false(hello_begins((struct slice){ client, 2 }));
	assert_false(hello_begins(SLICE("GET / HTTP/1.1")));
	assert_false(hello_begins(SLICE(ENCRYPTED)));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(both_ends_in_pieces_of_any_size),
		cmocka_unit_test(what_was_not_copied_is_passed_over),
		cmocka_unit_test(what_cannot_be_followed_is_given_up),
		cmocka_unit_test(a_message_that_is_cut_or_wrong_says_less),
		cmocka_unit_test(begins),
	};

	return cmocka_run_group_tests(tests, setup, NULL);
}
