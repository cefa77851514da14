/* SPDX-License-Identifier: Apache-2.0 */
/* The confusion matrix: first bytes of every protocol, asked of every protocol, at every length. */
#include <stddef.h>
#include <stdint.h>
#include <stdarg.h>
#include <setjmp.h>
#include <cmocka.h>

#include "proto/proto.h"

struct sample {
	enum proto_id is; /* PROTO_UNKNOWN: nobody may claim it */
	enum proto_dir dir;
	struct slice bytes;
};

#define SAMPLE(ID, dir, literal)                                        \
	{                                                               \
		PROTO_##ID, PROTO_##dir,                                \
		{                                                       \
			(const uint8_t *)(literal), sizeof(literal) - 1 \
		}                                                       \
	}

static const struct sample samples[] = {
	SAMPLE(HTTP1, REQUEST, "GET /a HTTP/1.1\r\nHost: h\r\n\r\n"),
	SAMPLE(HTTP1, REQUEST, "POST /Q HTTP/1.1\r\nHost: h\r\n\r\n"),
	SAMPLE(HTTP1, RESPONSE, "HTTP/1.1 200 OK\r\n\r\n"),
	SAMPLE(REDIS, REQUEST, "*2\r\n$3\r\nGET\r\n$1\r\nk\r\n"),
	SAMPLE(MEMCACHED, REQUEST, "set k 0 0 1\r\nx\r\n"),
	SAMPLE(POSTGRES, REQUEST, "\0\0\0\x12\0\3\0\0user\0bob\0\0"),
	SAMPLE(POSTGRES, REQUEST, "\0\0\0\x08\x04\xd2\x16\x2f\0\0\0\x12\0\3\0\0user\0bob\0\0"),
	SAMPLE(POSTGRES, REQUEST, "\0\0\0\x10\x04\xd2\x16\x2e\0\0\0\1\0\0\0\2"),
	SAMPLE(POSTGRES, REQUEST, "Q\0\0\0\x0dSELECT 1\0"),
	SAMPLE(POSTGRES, RESPONSE,
	       "C\0\0\0\x0a"
	       "BEGIN\0Z\0\0\0\5T"),
	SAMPLE(MYSQL, RESPONSE,
	       "\x4a\0\0\0\x0a"
	       "8.0.30\0\1\0\0\0abcdefgh\0\xff\xff\xff\2\0\xff\xdf\x15\0\0\0\0"),
	SAMPLE(MYSQL, REQUEST, "\x09\0\0\0\3SELECT 1"),
	SAMPLE(MYSQL, REQUEST,
	       "\x51\0\0\0\3SELECT aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
	       "aaaaaaaaaaaaaaaaaaaaaaa"),
	SAMPLE(UNKNOWN, REQUEST, "\0\0\0\x12\0\3\0\0\0\0\0\1\0\4test\0\0\0\0"), /* Kafka */
	SAMPLE(UNKNOWN, REQUEST, "\x10\x0c\0\4MQTT\4\2\0\x3c\0\0"),
	SAMPLE(UNKNOWN, RESPONSE, "220 mail.example ESMTP\r\n"),
	SAMPLE(UNKNOWN, RESPONSE, "SSH-2.0-OpenSSH_9.2\r\n"),
	SAMPLE(UNKNOWN, REQUEST, "SSH-2.0-OpenSSH_9.2\r\n"),
	SAMPLE(UNKNOWN, REQUEST, "EHLO client.example\r\n"),
	SAMPLE(UNKNOWN, REQUEST, "AMQP\0\0\x09\1"),
	SAMPLE(UNKNOWN, REQUEST, "\x16\3\1\2\0\1\0\1\xfc\3\3"),			  /* TLS */
	SAMPLE(UNKNOWN, REQUEST, "\x48\0\0\0\1\0\0\0\0\0\0\0\xdd\7\0\0\0\0\0\0"), /* MongoDB */
	SAMPLE(UNKNOWN, RESPONSE, "INFO {\"server_id\":\"x\"}\r\n"),		  /* NATS */
	SAMPLE(HTTP2, REQUEST, "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"),
	SAMPLE(HTTP2, REQUEST, "\0\0\6\1\5\0\0\0\x0d\x82\x86\x84\x41\1h"), /* in the middle */
	SAMPLE(HTTP2, RESPONSE, "\0\0\6\4\0\0\0\0\0\0\3\0\0\0\x64"),
};

static void nobody_claims_what_is_another_s(void **state)
{
	for (size_t i = 0; i < sizeof(samples) / sizeof(samples[0]); i++) {
		const struct sample *s = &samples[i];

		for (size_t n = 1; n <= s->bytes.n; n++) {
			for (int id = PROTO_UNKNOWN + 1; id < PROTO_MAX; id++) {
				int rc = proto_get(id)->detect((struct slice){ s->bytes.p, n },
							       s->dir);

				if ((rc > 0 && id != (int)s->is) || (rc < 0 && id == (int)s->is))
					fail_msg("sample %zu: %s says %d to %zu bytes", i,
						 proto_get(id)->name, rc, n);
			}
		}
		if (s->is != PROTO_UNKNOWN && proto_get(s->is)->detect(s->bytes, s->dir) != 1)
			fail_msg("sample %zu: %s does not know its own", i, proto_get(s->is)->name);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(nobody_claims_what_is_another_s),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
