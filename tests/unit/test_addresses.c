/* SPDX-License-Identifier: Apache-2.0 */
/* What addresses are called: the table, what a Service says of them, and what a recording tells. */
#include <stddef.h>
#include <stdint.h>
#include <stdarg.h>
#include <setjmp.h>
#include <cmocka.h>

#include <stdio.h>
#include <string.h>
#include "identity/cluster_ips.h"
#include "identity/naming.h"
#include "identity/resolved.h"

static struct address ip(const char *text)
{
	struct address a;

	assert_true(address_parse(text, &a));
	return a;
}

static void put(struct addresses *as, const char *group, const char *address, const char *name)
{
	struct address_name n = { .name_space = "shop" };
	struct address a = ip(address);

	snprintf(n.name, sizeof(n.name), "%s", name);
	addresses_put(as, group, &a, &n);
}

/* "": it has none. */
static const char *name_of(const struct addresses *as, const char *address)
{
	struct address a = ip(address);
	const struct address_name *n = addresses_find(as, &a);

	return n ? n->name : "";
}

static void test_table(void **state)
{
	struct addresses *as = addresses_new(3);

	assert_string_equal(name_of(as, "10.96.0.1"), "");
	assert_string_equal(name_of(NULL, "10.96.0.1"), "");
	put(as, "a", "10.96.0.1", "web");
	put(as, "b", "fd00::1", "db");
	assert_string_equal(name_of(as, "10.96.0.1"), "web");
	assert_string_equal(name_of(as, "::ffff:10.96.0.1"),
			    "web"); /* as a socket of both says it */
	assert_string_equal(name_of(as, "fd00::1"), "db");
	assert_string_equal(name_of(as, "fd00::2"), "");
	put(as, "a", "10.96.0.1", "renamed");
	assert_string_equal(name_of(as, "10.96.0.1"), "renamed");
	put(as, "c", "10.96.0.3", "third");
	put(as, "d", "10.96.0.4", "fourth"); /* one too many */
	assert_string_equal(name_of(as, "10.96.0.4"), "");
	assert_int_equal(addresses_left_out(as), 1);
	assert_int_equal(addresses_count(as), 3);
	put(as, "c", "10.96.0.3", ""); /* makes room */
	put(as, "d", "10.96.0.4", "fourth");
	assert_string_equal(name_of(as, "10.96.0.3"), "");
	assert_string_equal(name_of(as, "10.96.0.4"), "fourth");
	addresses_free(as);
	addresses_free(NULL);
}

/* A list says all there is; a change, all of one. */
static void test_rounds(void **state)
{
	struct addresses *as = addresses_new(0);
	char address[32], name[16];

	for (int i = 0; i < 1000; i++) {
		snprintf(address, sizeof(address), "10.96.%d.%d", i / 250, i % 250 + 1);
		snprintf(name, sizeof(name), "s%d", i);
		put(as, name, address, name);
	}
	addresses_begin(as, "s7");
	put(as, "s7", "10.96.200.1", "s7"); /* it moved */
	addresses_end(as);
	assert_string_equal(name_of(as, "10.96.0.8"), "");
	assert_string_equal(name_of(as, "10.96.200.1"), "s7");
	assert_int_equal(addresses_count(as), 1000);
	addresses_begin(as, NULL);
	put(as, "s7", "10.96.200.1", "s7");
	put(as, "s9", "10.96.0.10", "s9");
	addresses_end(as);
	assert_int_equal(addresses_count(as), 2);
	assert_string_equal(name_of(as, "10.96.200.1"), "s7");
	assert_string_equal(name_of(as, "10.96.0.9"), "");
	addresses_free(as);
}

static void resolve(struct resolved_names *r, const char *address, const char *name,
		    uint64_t now_ns, uint64_t until_ns)
{
	struct address a = ip(address);

	resolved_put(r, &a, slice_str(name), now_ns, until_ns);
}

static const char *resolved_of(const struct resolved_names *r, const char *address)
{
	struct address a = ip(address);
	const char *name = resolved_find(r, &a);

	return name ? name : "";
}

/* The first name stays as long as the answer holds, and where no other is said. */
static void test_resolved(void **state)
{
	struct resolved_names *r = resolved_new(0);

	resolve(r, "10.0.0.7", "db.shop.test", 10, 20);
	resolve(r, "10.0.0.7", "alias.test", 15, 90);
	assert_string_equal(resolved_of(r, "10.0.0.7"), "db.shop.test");
	assert_string_equal(resolved_of(r, "::ffff:10.0.0.7"), "db.shop.test");
	resolve(r, "10.0.0.7", "db.shop.test", 18, 30); /* said again */
	resolve(r, "10.0.0.7", "alias.test", 25, 90);
	assert_string_equal(resolved_of(r, "10.0.0.7"), "db.shop.test");
	resolve(r, "10.0.0.7", "alias.test", 31, 90);
	assert_string_equal(resolved_of(r, "10.0.0.7"), "alias.test");
	assert_string_equal(resolved_of(r, "10.0.0.8"), "");
	resolved_free(r);
	resolved_free(NULL);
}

/* Every host is these itself, or they are many. */
static void test_resolved_to_nobody(void **state)
{
	static const char *const none[] = { "127.0.0.1", "127.8.0.1",
					    "0.0.0.0",	 "::1",
					    "::",	 "ff02::1",
					    "224.0.0.1", "::ffff:127.0.0.1" };
	struct resolved_names *r = resolved_new(0);
	char longest[RESOLVED_NAME_MAX + 2];

	for (size_t i = 0; i < sizeof(none) / sizeof(none[0]); i++) {
		resolve(r, none[i], "ads.test", 1, 2);
		assert_string_equal(resolved_of(r, none[i]), "");
	}
	resolve(r, "fe80::1", "a", 1, 2);
	assert_string_equal(resolved_of(r, "fe80::1"), "a");
	memset(longest, 'x', sizeof(longest));
	longest[RESOLVED_NAME_MAX + 1] = '\0';
	resolve(r, "10.0.0.1", longest, 1, 2);
	assert_string_equal(resolved_of(r, "10.0.0.1"), "");
	resolve(r, "10.0.0.1", longest + 1, 1, 2);
	assert_string_equal(resolved_of(r, "10.0.0.1"), longest + 1);
	resolved_free(r);
}

static void test_resolved_is_bounded(void **state)
{
	struct resolved_names *r = resolved_new(2);

	resolve(r, "10.0.0.1", "a", 1, 2);
	resolve(r, "10.0.0.2", "b", 1, 2);
	resolve(r, "10.0.0.1", "a", 1, 2);
	resolve(r, "10.0.0.3", "c", 1, 2);
	assert_string_equal(resolved_of(r, "10.0.0.1"), "a");
	assert_string_equal(resolved_of(r, "10.0.0.2"), "");
	assert_string_equal(resolved_of(r, "10.0.0.3"), "c");
	assert_int_equal(resolved_forgotten(r), 1);
	resolved_free(r);
}

struct told {
	size_t n;
	struct address a[4];
	struct address_name name;
};

static void on_address(void *ctx, const struct address *a, const struct address_name *name)
{
	struct told *t = ctx;

	t->a[t->n++] = *a;
	t->name = *name;
}

static struct told told(const char *meta, const char *spec)
{
	struct told t = { 0 };
	char text[1024];
	json_t *service;

	snprintf(text, sizeof(text), "{\"metadata\":{%s},\"spec\":%s}", meta, spec);
	service = json_loads(text, 0, NULL);
	assert_non_null(service);
	cluster_ips_each(service, on_address, &t);
	json_decref(service);
	return t;
}

#define META "\"name\":\"web\",\"namespace\":\"shop\",\"uid\":\"u\""

static void test_services(void **state)
{
	struct address v4 = ip("10.96.0.1"), v6 = ip("fd00::1");
	struct told t = told(META, "{\"clusterIP\":\"10.96.0.1\",\"clusterIPs\":[\"10.96.0.1\","
				   "\"fd00::1\"],\"externalIPs\":[\"192.0.2.1\"]}");

	assert_int_equal(t.n, 2);
	assert_true(address_equal(&t.a[0], &v4) && address_equal(&t.a[1], &v6));
	assert_string_equal(t.name.name, "web");
	assert_string_equal(t.name.name_space, "shop");
	t = told(META, "{\"clusterIP\":\"10.96.0.1\"}"); /* before Kubernetes 1.20 */
	assert_int_equal(t.n, 1);
	assert_true(address_equal(&t.a[0], &v4));
	assert_int_equal(told(META, "{\"clusterIP\":\"None\",\"clusterIPs\":[\"None\"]}").n, 0);
	assert_int_equal(told(META, "{\"type\":\"ExternalName\",\"externalName\":\"x.org\"}").n, 0);
	assert_int_equal(told(META, "{\"clusterIPs\":[7,null,\"\",\"10.96\",{}]}").n, 0);
	assert_int_equal(told(META, "[]").n, 0);
	assert_int_equal(told("\"name\":\"web\"", "{\"clusterIP\":\"10.96.0.1\"}").n, 0);
}

/* --- on record --- */

static void fill(struct txn *t, const char *peer, const char *host)
{
	struct address a = ip(peer);

	txn_clear(t);
	t->role = SONDE_ROLE_CLIENT;
	t->family = a.family;
	memcpy(t->peer.ip, a.ip, sizeof(a.ip));
	snprintf(t->host, sizeof(t->host), "%s", host);
}

static const char *server(const struct naming *n, const char *peer, const char *host)
{
	static struct txn t;

	fill(&t, peer, host);
	naming_txn(n, &t);
	assert_true(!t.server_name[0] == !t.server_space[0]);
	return t.server_name;
}

static bool has_news(struct naming *n, const char *peer)
{
	struct sonde_ev_address ev;
	struct txn t;

	fill(&t, peer, "");
	if (!naming_news(n, t.family, &t.peer, &ev))
		return false;
	assert_int_equal(ev.h.kind, SONDE_EV_ADDRESS);
	naming_take(n, &ev);
	return true;
}

static void test_on_record(void **state)
{
	struct addresses *known = addresses_new(0);
	struct naming *n = naming_new(known);

	assert_false(has_news(n, "10.96.0.1"));
	put(known, "u", "10.96.0.1", "web");
	/* it is of now, but nobody could tell it again */
	assert_string_equal(server(n, "10.96.0.1", ""), "");
	assert_true(has_news(n, "10.96.0.1"));
	assert_false(has_news(n, "10.96.0.1"));
	assert_string_equal(server(n, "10.96.0.1", ""), "web");
	assert_string_equal(server(n, "::ffff:10.96.0.1", ""), "web");
	put(known, "u", "10.96.0.1", "renamed");
	assert_string_equal(server(n, "10.96.0.1", ""), "web");
	assert_true(has_news(n, "10.96.0.1"));
	assert_string_equal(server(n, "10.96.0.1", ""), "renamed");
	put(known, "u", "10.96.0.1", "");
	assert_true(has_news(n, "10.96.0.1"));
	assert_false(has_news(n, "10.96.0.1"));
	assert_string_equal(server(n, "10.96.0.1", ""), "");
	naming_free(n);
	naming_free(NULL);
	addresses_free(known);
}

/* A name it asked for is the server's; the address itself is none. */
static void test_what_was_asked_for(void **state)
{
	struct addresses *known = addresses_new(0);
	struct naming *n = naming_new(known);
	struct txn t;

	put(known, "u", "10.96.0.1", "web");
	put(known, "u", "fd00::1", "web");
	assert_true(has_news(n, "10.96.0.1"));
	assert_true(has_news(n, "fd00::1"));
	assert_string_equal(server(n, "10.96.0.1", "web.shop.svc"), "");
	assert_string_equal(server(n, "10.96.0.1", "10.96.0.1"), "web");
	assert_string_equal(server(n, "10.96.0.1", "10.96.0.2"), ""); /* through a proxy */
	assert_string_equal(server(n, "fd00::1", "[fd00:0::1]"), "web");
	assert_string_equal(server(n, "fd00::1", "[fd00::1"), "");
	assert_string_equal(server(n, "fd00::1", "["), "");
	/* a server's peer is its client */
	fill(&t, "10.96.0.1", "");
	t.role = SONDE_ROLE_SERVER;
	naming_txn(n, &t);
	assert_string_equal(t.server_name, "");
	naming_free(n);
	addresses_free(known);
}

static void replayed(void *ctx, const struct sonde_ev_address *ev)
{
	naming_take(ctx, ev);
}

static void test_replayed(void **state)
{
	struct addresses *known = addresses_new(0);
	struct naming *live = naming_new(known), *replay = naming_new(NULL);

	put(known, "u", "10.96.0.1", "web");
	put(known, "u", "fd00::1", "db");
	put(known, "u", "10.96.0.2", "unused");
	has_news(live, "10.96.0.1");
	has_news(live, "fd00::1");
	naming_each(live, replayed, replay);
	assert_string_equal(server(replay, "10.96.0.1", ""), "web");
	assert_string_equal(server(replay, "fd00::1", ""), "db");
	assert_string_equal(server(replay, "10.96.0.2", ""), ""); /* nobody asked for it */
	assert_false(has_news(replay, "10.96.0.1"));
	naming_free(live);
	naming_free(replay);
	addresses_free(known);
}

static void resolved_again(void *ctx, const struct sonde_ev_resolved *ev)
{
	assert_int_equal(ev->h.kind, SONDE_EV_RESOLVED);
	naming_resolved(ctx, ev->family, ev->ip, slice_str(ev->name), 0, ev->until_ns);
}

/* What it asked for, what those who were asked say, what it resolved; and so in a replay. */
static void test_order_of_names(void **state)
{
	struct addresses *known = addresses_new(0);
	struct naming *n = naming_new(known), *replay = naming_new(NULL);
	struct address a = ip("10.96.0.1"), b = ip("10.0.0.7");
	struct txn t;

	naming_resolved(n, a.family, a.ip, SLICE("web.shop.svc"), 1, 2);
	naming_resolved(n, b.family, b.ip, SLICE("db.shop.test"), 1, 2);
	put(known, "u", "10.96.0.1", "web");
	assert_true(has_news(n, "10.96.0.1"));
	assert_string_equal(server(n, "10.96.0.1", ""), "web");
	assert_string_equal(naming_find(n, a.family, a.ip), "web");
	assert_string_equal(naming_find(n, b.family, b.ip), "db.shop.test");
	fill(&t, "10.0.0.7", "");
	naming_txn(n, &t);
	assert_string_equal(t.server_name, "db.shop.test");
	assert_string_equal(t.server_space, "");
	fill(&t, "10.0.0.7", "other.test");
	naming_txn(n, &t);
	assert_string_equal(t.server_name, "");
	naming_each_resolved(n, resolved_again, replay);
	assert_string_equal(naming_find(replay, b.family, b.ip), "db.shop.test");
	naming_free(n);
	naming_free(replay);
	addresses_free(known);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_table),
		cmocka_unit_test(test_rounds),
		cmocka_unit_test(test_services),
		cmocka_unit_test(test_on_record),
		cmocka_unit_test(test_what_was_asked_for),
		cmocka_unit_test(test_replayed),
		cmocka_unit_test(test_resolved),
		cmocka_unit_test(test_resolved_to_nobody),
		cmocka_unit_test(test_resolved_is_bounded),
		cmocka_unit_test(test_order_of_names),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
