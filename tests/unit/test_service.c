/* SPDX-License-Identifier: Apache-2.0 */
#include <stddef.h>
#include <stdint.h>
#include <stdarg.h>
#include <setjmp.h>
#include <cmocka.h>

#include <stdio.h>
#include <string.h>
#include "identity/service.h"
#include "util/clock.h"
#include "util/sha1.h"

/* uuid.uuid5(uuid.UUID("4d63009a-8d0f-11ee-aad7-4c796ed8e320"), "host|/a||shop") in Python */
#define SHOP_ID "3d34aa2a-8047-57a2-bd62-1163f84a4daf"

static void expect_sha1(struct slice in, const char *want)
{
	uint8_t digest[SHA1_LEN];
	char text[2 * SHA1_LEN + 1];

	sha1(in, digest);
	for (int i = 0; i < SHA1_LEN; i++)
		sprintf(text + 2 * i, "%02x", digest[i]);
	assert_string_equal(text, want);
}

/* RFC 3174, 7.3, and lengths around the edge of a block. */
static void test_sha1(void **state)
{
	static uint8_t as[1000000];

	memset(as, 'a', sizeof(as));
	expect_sha1(SLICE("abc"), "a9993e364706816aba3e25717850c26c9cd0d89d");
	expect_sha1(SLICE("abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq"),
		    "84983e441c3bd26ebaae4aa1f95129e5e54670f1");
	expect_sha1((struct slice){ as, sizeof(as) }, "34aa973cd4c4daa4f61eeb2bdbad27316534016f");
	expect_sha1(SLICE(""), "da39a3ee5e6b4b0d3255bfef95601890afd80709");
	expect_sha1((struct slice){ as, 55 }, "c1c8bbdc22796e28c0e15163d20899b65621d65a");
	expect_sha1((struct slice){ as, 56 }, "c2db330f6083854c99d4b5bfb6e8f29f201be699");
	expect_sha1((struct slice){ as, 63 }, "03f09f5b158a7a8cdad920bddc29b81c18a551f5");
	expect_sha1((struct slice){ as, 64 }, "0098ba824b5c16427bd7a1122a5a442a25ec644d");
}

static void test_instance_id(void **state)
{
	char id[SERVICE_INSTANCE_LEN];

	service_instance_id("host|/a||shop", 13, id);
	assert_string_equal(id, SHOP_ID);
}

static void test_one_service(void **state)
{
	struct services *ss = services_new("host", 0), *later = services_new("host", 0);
	struct service *a = service_intern(ss, "shop", "", "/a", 1);

	assert_string_equal(a->instance_id, SHOP_ID);
	assert_ptr_equal(service_intern(ss, "shop", "", "/a", 2), a);
	assert_ptr_not_equal(service_intern(ss, "shop", "", "/b", 2), a);
	assert_ptr_not_equal(service_intern(ss, "shop", "x", "/a", 2), a);
	assert_ptr_not_equal(service_intern(ss, "pay", "", "/a", 2), a);
	/* as a recording tells it */
	assert_ptr_equal(service_intern_as(ss, "shop", "", a->instance_id, 3), a);
	/* another run gives the same instance, another host does not */
	assert_string_equal(service_intern(later, "shop", "", "/a", 9)->instance_id,
			    a->instance_id);
	services_free(later);
	later = services_new("other", 0);
	assert_string_not_equal(service_intern(later, "shop", "", "/a", 9)->instance_id,
				a->instance_id);
	services_free(later);
	services_free(ss);
}

static void test_unknown_and_cut(void **state)
{
	struct services *ss = services_new("host", 0);
	struct service *s = service_intern(ss, SERVICE_UNKNOWN, "", "/a", 1);
	char name[300];

	assert_ptr_equal(service_intern(ss, SERVICE_UNKNOWN, "", "/b", 2), s);
	assert_true(s->id > 0);
	memset(name, 'n', sizeof(name) - 1);
	name[sizeof(name) - 1] = '\0';
	name[0] = '\xff';
	s = service_intern(ss, name, name, name, 1);
	assert_true(strlen(s->name) < sizeof(s->name));
	assert_memory_equal(s->name, "\xef\xbf\xbdnn", 5);
	assert_ptr_equal(service_intern(ss, name, name, name, 1), s);
	services_free(ss);
}

static void count(void *ctx, struct service *s)
{
	++*(int *)ctx;
}

/* At the cap the one gone longest makes place; a held one and a fresh one never. */
static void test_bounded(void **state)
{
	struct services *ss = services_new("host", 3);
	uint64_t later = 1000 * NS_PER_S;
	struct service *held, *old, *older, *made;
	uint32_t id;
	int n = 0;

	held = service_intern(ss, "held", "", "", 1);
	service_hold(held);
	old = service_intern(ss, "old", "", "", 20);
	older = service_intern(ss, "older", "", "", 10);
	id = older->id;
	assert_int_equal(services_left_out(ss), 0);
	made = service_intern(ss, "new", "", "", 30);
	assert_string_equal(made->name, SERVICE_UNKNOWN); /* nobody gone for long */
	assert_int_equal(services_left_out(ss), 1);
	made = service_intern(ss, "new", "", "", later);
	assert_ptr_equal(made, older); /* in place, but another one */
	assert_string_equal(made->name, "new");
	assert_true(made->id > id);
	assert_ptr_equal(service_intern(ss, "new", "", "", later), made);
	assert_ptr_equal(service_intern(ss, "old", "", "", later), old);
	services_each(ss, count, &n);
	assert_int_equal(n, 3);

	service_release(held);
	made = service_intern(ss, "newer", "", "", later);
	assert_ptr_equal(made, held);
	services_free(ss);
}

static void test_seen_while_living(void **state)
{
	struct services *ss = services_new("host", 0);
	struct service *s = service_intern(ss, "shop", "", "", 5);

	service_hold(s);
	services_tick(ss, 10);
	assert_int_equal(s->last_seen_ns, 5);
	service_born(s);
	services_tick(ss, 20);
	assert_int_equal(s->last_seen_ns, 20);
	service_died(s);
	services_tick(ss, 30);
	assert_int_equal(s->last_seen_ns, 20);
	services_free(ss);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_sha1),	    cmocka_unit_test(test_instance_id),
		cmocka_unit_test(test_one_service), cmocka_unit_test(test_unknown_and_cut),
		cmocka_unit_test(test_bounded),	    cmocka_unit_test(test_seen_while_living),
	};

	return cmocka_run_group_tests_name("service", tests, NULL, NULL);
}
