/* SPDX-License-Identifier: Apache-2.0 */
#include <stddef.h>
#include <stdint.h>
#include <stdarg.h>
#include <setjmp.h>
#include <cmocka.h>

#include <stdio.h>
#include "guard.h"
#include "stream/route.h"
#include "util/hash.h"

static char out[256];

static const char *route(struct routes *r, uint32_t service, const char *target)
{
	size_t n = route_template(r, service, slice_str(target), out, sizeof(out));

	assert_int_equal(n, strlen(out));
	return out;
}

static void placeholders_at_once(void **state)
{
	static const char *const t[][2] = {
		{ "/", "/" },
		{ "/users", "/users" },
		{ "/users/42", "/users/{id}" },
		{ "/users/42/orders", "/users/{id}/orders" },
		{ "/users/42/", "/users/{id}/" },
		{ "//users///42", "/users/{id}" },
		{ "/users/42?x=1", "/users/{id}" },
		{ "/users/42#top", "/users/{id}" },
		{ "/users?next=/a/b", "/users" },
		{ "/a/-7", "/a/{id}" },
		{ "/a/2024-01-31", "/a/{id}" },
		{ "/a/2024/01/31", "/a/{id}/{id}/{id}" },
		{ "/a/2024-01-31T06:15:11Z", "/a/{id}" },
		{ "/ip/10.0.0.1", "/ip/{id}" },
		{ "/a/8f14e45f-ceea-467f-a0e6-1b5b1a0b4d3c", "/a/{id}" },
		{ "/a/8F14E45FCEEA467FA0E61B5B1A0B4D3C", "/a/{id}" },
		{ "/commit/1b5b1a0b", "/commit/{id}" },
		{ "/commit/e83c5163316f89bfbde7d9ab23ca2e25604af290", "/commit/{id}" },
		{ "/words/deadbeef", "/words/deadbeef" },
		{ "/words/facade", "/words/facade" },
		{ "/u/ann@example.org", "/u/{id}" },
		{ "/u/ann%40example.org", "/u/{id}" },
		{ "/@scope/pkg", "/@scope/pkg" },
		{ "/@scope.io/pkg", "/@scope.io/pkg" },
		{ "/t/dGhpcyBpcyBhIHRva2VuIG9mIHRleHQ", "/t/{id}" },
		{ "/t/YWJjZGVmZ2hpamtsbW5vcHFyc3R1dg==", "/t/{id}" },
		{ "/t/01ARZ3NDEKTSV4RRFFQ69G5FAV", "/t/{id}" },
		{ "/order-12345/pay", "/{id}/pay" },
		{ "/static/main.3f2a9c1b.js", "/static/{id}" },
		{ "/static/app.js", "/static/app.js" },
		{ "/v1/oauth2/utf-8/x86_64/sha256", "/v1/oauth2/utf-8/x86_64/sha256" },
		{ "/getUserProfileInformationById", "/getUserProfileInformationById" },
		{ "/oauth2-authorization-endpoint-config",
		  "/oauth2-authorization-endpoint-config" },
		{ "/a;jsessionid=77/b;v=1.2;w/;x/c", "/a/b/c" },
		{ "/a%20b/c%zz", "/a%20b/c%zz" },
		{ "/a\x01\xff/b", "/a?\xef\xbf\xbd/b" },
		{ "/caf\xc3\xa9", "/caf\xc3\xa9" },
		{ "http://h:81/users/42?x", "/users/{id}" },
		{ "http://h", "/" },
		{ "http://h?u=/x", "/" },
		{ "*", "*" },
		{ "h.example:443", "" },
		{ "", "" },
		{ "?", "" },
		{ "/1/2/3/4/5/6/7/8/9/10/11/12/13/14/15/a/b/c",
		  "/{id}/{id}/{id}/{id}/{id}/{id}/{id}/{id}/{id}/{id}/{id}/{id}/{id}/{id}/{id}/a" },
	};
	struct routes *r = routes_new(&(struct routes_opts){ 0 });
	struct guard g = guard_new(4096);

	for (size_t i = 0; i < sizeof(t) / sizeof(t[0]); i++) {
		struct slice s = guard_put(&g, slice_str(t[i][0]));

		route_template(r, 1, s, out, sizeof(out));
		assert_string_equal(out, t[i][1]);
	}
	guard_free(&g);
	routes_free(r);
}

static void learns_for_later_requests(void **state)
{
	struct routes *r = routes_new(&(struct routes_opts){ .max_fanout = 10 });
	char target[64], want[64];

	for (int i = 0; i < 10; i++) {
		sprintf(target, "/users/name%c/orders", 'a' + i);
		assert_string_equal(route(r, 1, target), target);
	}
	assert_string_equal(route(r, 1, "/users/namez/orders"), "/users/{id}/orders");
	assert_string_equal(route(r, 1, "/users/namea/orders"), "/users/{id}/orders");
	assert_string_equal(route(r, 1, "/users"), "/users");
	/* another service has learnt nothing */
	assert_string_equal(route(r, 2, "/users/namea/orders"), "/users/namea/orders");
	/* below the placeholder learning goes on */
	for (int i = 0; i < 10; i++) {
		sprintf(target, "/users/anyone/%c", 'a' + i);
		sprintf(want, "/users/{id}/%c", 'a' + i);
		assert_string_equal(route(r, 1, target), i < 9 ? want : "/users/{id}/{id}");
	}
	routes_free(r);
}

/* A scan of made-up paths must not fold what the service is there for. */
static void what_is_used_most_keeps_its_name(void **state)
{
	struct routes *r = routes_new(&(struct routes_opts){ .max_fanout = 20 });
	char target[64];

	for (int i = 0; i < 200; i++) {
		assert_string_equal(route(r, 1, "/health"), "/health");
		assert_string_equal(route(r, 1, "/cart/42/items"), "/cart/{id}/items");
		if (i % 20 == 0)
			assert_string_equal(route(r, 1, "/rare"), "/rare");
	}
	for (int i = 0; i < 100; i++) {
		sprintf(target, "/x%c%c.php", 'a' + i / 26, 'a' + i % 26);
		route(r, 1, target);
	}
	assert_string_equal(out, "/{id}");
	assert_string_equal(route(r, 1, "/xaa.php"), "/{id}");
	assert_string_equal(route(r, 1, "/rare"), "/{id}"); /* seen often, but not for 400 others */
	assert_string_equal(route(r, 1, "/health"), "/health");
	assert_string_equal(route(r, 1, "/cart/42/items"), "/cart/{id}/items");
	routes_free(r);
}

/* "/k/..." has more names than it may: learnt once, and to be remembered. */
static void teach(struct routes *r, uint32_t service, int fanout)
{
	char target[16];

	for (int i = 0; i <= fanout; i++) {
		sprintf(target, "/k/%c%c", 'a' + i / 26, 'a' + i % 26);
		route(r, service, target);
	}
	assert_string_equal(out, "/k/{id}");
}

/* However hostile the paths, one service has few routes and leaves the others theirs. */
static void one_service_cannot_take_all(void **state)
{
	struct routes *r = routes_new(&(struct routes_opts){ .max_nodes = 800, .max_fanout = 50 });
	unsigned literal = 0;
	char target[64];

	teach(r, 2, 50);
	for (int i = 0; i < 40000; i++) {
		snprintf(target, sizeof(target), "/%c%c/%c%c/%c", 'a' + i % 7, 'a' + i % 5,
			 'a' + i % 11, 'a' + i % 13, 'a' + i % 17);
		literal += strstr(route(r, 1, target), "{id}") == NULL;
	}
	assert_true(literal < 40000 / 5);
	assert_string_equal(route(r, 2, "/a/b/c"), "/a/b/c");
	assert_string_equal(route(r, 2, "/k/new"), "/k/{id}");
	routes_free(r);
}

/* Services come and go for ever; new ones have names, and one that stays keeps what it learnt. */
static void old_services_make_room(void **state)
{
	struct routes *r = routes_new(&(struct routes_opts){ .max_nodes = 300, .max_fanout = 8 });
	char target[64];

	teach(r, 0, 8);
	for (uint32_t s = 1; s < 2000; s++) {
		for (int i = 0; i < 8; i++) {
			snprintf(target, sizeof(target), "/path/%c", 'a' + i);
			assert_string_equal(route(r, s, target), target);
			assert_string_equal(route(r, 0, "/k/new"), "/k/{id}");
		}
	}
	routes_free(r);
}

static void fits_any_size(void **state)
{
	static const char target[] = "/alpha/42/caf\xc3\xa9/omega/";
	struct routes *r = routes_new(&(struct routes_opts){ 0 });
	struct guard g = guard_new(256);
	char whole[256];

	route_template(r, 1, slice_str(target), whole, sizeof(whole));
	for (size_t size = 2; size < sizeof(target) + 8; size++) {
		char *p = (char *)g.end - size;
		size_t n = route_template(r, 1, slice_str(target), p, size);

		assert_true(n < size && p[n] == '\0' && n == strlen(p));
		assert_true(n == 1 || memcmp(p, whole, n) == 0);
		assert_true(whole[n] == '/' || whole[n] == '\0' || n == 1 || p[n - 1] == '/');
	}
	guard_free(&g);
	routes_free(r);
}

static void the_same_calls_give_the_same(void **state)
{
	struct routes *a = routes_new(&(struct routes_opts){ .max_nodes = 400, .max_fanout = 15 });
	struct routes *b = routes_new(&(struct routes_opts){ .max_nodes = 400, .max_fanout = 15 });
	uint32_t seed = 1;
	char target[64], first[256];

	for (int i = 0; i < 20000; i++) {
		seed = seed * 1103515245 + 12345;
		snprintf(target, sizeof(target), "/%c/%c%c/%c", 'a' + (seed >> 8) % 26,
			 'a' + (seed >> 12) % 26, 'a' + (seed >> 16) % 26, 'a' + (seed >> 20) % 5);
		strcpy(first, route(a, seed >> 24, target));
		assert_string_equal(route(b, seed >> 24, target), first);
	}
	routes_free(a);
	routes_free(b);
	routes_free(NULL);
}

typedef uint64_t (*bucket_fn)(const char *name);

/* Where a name below the first service is, by hashes that everybody knows: one that is none's own,
 * and ours if it had no seed. */
static uint64_t bucket_plain(const char *name)
{
	uint64_t h = 0xcbf29ce484222325;

	for (; *name; name++)
		h = (h ^ (uint8_t)*name) * 0x100000001b3;
	return (h ^ 1) * 0x9e3779b97f4a7c15 >> 32;
}

static uint64_t bucket_unseeded(const char *name)
{
	return hash_mix(hash_slice(0, slice_str(name)), 1);
}

static void names_cannot_be_chosen_to_collide(void **state)
{
	enum { NAMES = 90, BUCKETS = 32768 };
	static const bucket_fn known[] = { bucket_plain, bucket_unseeded };

	for (size_t h = 0; h < sizeof(known) / sizeof(known[0]); h++) {
		struct routes *r = routes_new(&(struct routes_opts){ 0 });
		char target[] = "/aaaaaa";
		int n = 0;

		for (uint32_t i = 0; n < NAMES; i++) {
			for (uint32_t k = 1, x = i; k < sizeof(target) - 1; k++, x /= 26)
				target[k] = (char)('a' + x % 26);
			if ((known[h](target + 1) & (BUCKETS - 1)) != 7)
				continue;
			assert_string_equal(route(r, 1, target), target);
			n++;
		}
		assert_in_range(routes_longest(r), 1, 8);
		routes_free(r);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(placeholders_at_once),
		cmocka_unit_test(learns_for_later_requests),
		cmocka_unit_test(what_is_used_most_keeps_its_name),
		cmocka_unit_test(one_service_cannot_take_all),
		cmocka_unit_test(old_services_make_room),
		cmocka_unit_test(fits_any_size),
		cmocka_unit_test(the_same_calls_give_the_same),
		cmocka_unit_test(names_cannot_be_chosen_to_collide),
	};

	return cmocka_run_group_tests_name("route", tests, NULL, NULL);
}
