/* SPDX-License-Identifier: Apache-2.0 */
/* The live view without a terminal: keys and frames in, cells out. */
#include <stddef.h>
#include <stdint.h>
#include <stdarg.h>
#include <setjmp.h>
#include <cmocka.h>
#include <locale.h>
#include <stdio.h>
#include <string.h>
#include "top/bar.h"
#include "top/view.h"
#include "util/clock.h"

enum { LINE = 2048 };

static struct top_row rows[] = {
	{ .is_judged = true,
	  .health = HEALTH_DEGRADED,
	  .reason = "errors 12 % (12 of 100), over 5 %",
	  .knows_usage = true,
	  .cpu_cores = 0.25,
	  .memory_bytes = 50000000,
	  .knows_tcp = true,
	  .connections = 17,
	  .retransmits = 4321,
	  .rtt_ns = 777000,
	  .r = { .key = 1,
		 .role = SONDE_ROLE_SERVER,
		 .name = "shop",
		 .service = "shop",
		 .protocol = "http",
		 .encrypted = 6,
		 .f = { .count = 100,
			.errors = 12,
			.error_ratio = 0.12,
			.rate_now = 20,
			.p50_ns = 1230000,
			.p95_ns = 45600000,
			.p99_ns = 99000000,
			.max_ns = 2000000000,
			.in_flight = 3,
			.oldest_ns = 1500000000,
			.duration_ns = 1000,
			.waits = { [WAIT_CPU] = 250, [WAIT_BLOCKED] = 750 },
			.spark = { [RECENT_SPARK - 2] = 1, [RECENT_SPARK - 1] = 8 } } } },
	{ .r = { .key = 2,
		 .role = SONDE_ROLE_SERVER,
		 .name = "日本語のサービス名前はとても長いです",
		 .service = "日本語のサービス名前はとても長いです",
		 .protocol = "redis",
		 .f = { .count = 10, .rate_now = 50, .p95_ns = 1000000 } } },
	{ .r = { .key = 3,
		 .role = SONDE_ROLE_CLIENT,
		 .name = "evil\033[2J\xff\nname",
		 .service = "evil",
		 .protocol = "http",
		 .f = { .count = 5, .errors = 1, .error_ratio = 0.2, .rate_now = 1 } } },
};

static struct recent_request requests[] = {
	{ .what = "GET /slow", .service = "shop", .status = 200, .end_ns = 5000000, .tid = 1 },
	{ .what = "GET /stuck", .service = "shop", .is_in_flight = true, .end_ns = 9, .tid = 2 },
	{ .what = "GET /bad",
	  .service = "shop",
	  .status = 500,
	  .error_type = "500",
	  .end_ns = 2000,
	  .tid = 3 },
};

static struct top_frame frame = {
	.rows = rows,
	.n_rows = 3,
	.requests = requests,
	.n_requests = 3,
	.unix_ns = 1795241711123456789,
	.self = { .where = "this host",
		  .tier = "socket",
		  .events_rate = 1234,
		  .lost = 7,
		  .unknown = 2,
		  .encrypted = 3,
		  .cpu_cores = 0.034,
		  .memory_bytes = 9000000,
		  .pressure = { 0.5, 0, 0.01 } },
};

/* As it begins for each test. */
static struct view view;
static struct canvas canvas = { .is_unicode = true, .is_color = true };

static int setup(void **state)
{
	view_init(&view);
	return 0;
}

static int teardown(void **state)
{
	view_free(&view);
	return 0;
}

static void draw(int width, int height)
{
	assert_int_equal(canvas_reset(&canvas, width, height), 0);
	assert_int_equal(view_take(&view, &frame, height), 0);
	view_draw(&view, &frame, &canvas);
}

static const char *line(int y)
{
	static char text[8][LINE];
	static int at;

	at = (at + 1) % 8;
	canvas_line(&canvas, y, text[at], LINE);
	return text[at];
}

static void press(const char *keys)
{
	for (; *keys; keys++)
		view_press(&view, *keys, &frame);
}

static bool has_line(const char *text)
{
	for (int y = 0; y < canvas.height; y++)
		if (strstr(line(y), text))
			return true;
	return false;
}

static void test_table(void **state)
{
	draw(250, 24);
	assert_non_null(strstr(line(0), "sonde top"));
	assert_non_null(strstr(line(0), "this host"));
	assert_non_null(strstr(line(0), "2 services  70 req/s  10.9% errors"));
	assert_string_equal(line(1), " services");
	draw(50, 24);
	assert_non_null(strstr(line(0), "70 req/s"));
	draw(250, 24);
	/* by rate: the busiest first */
	assert_non_null(strstr(line(4), "shop"));
	for (const char *const *s =
		     (const char *const[]){ "server", "20.0", "12.0", "1.23 ms", "45.6 ms",
					    "99.0 ms", "2.00 s", "3", "1.50 s", "25.0", "50.0 MB",
					    "http", NULL };
	     *s; s++)
		assert_non_null(strstr(line(4), *s));
	/* what is not nothing is seen, what is most is the highest, the last second at the right */
	assert_non_null(strstr(line(4), "▁█"));
	/* a quarter of the bar is one part, the rest another */
	assert_non_null(strstr(line(2), "WAITS"));
	/* nothing of a name steers the terminal */
	assert_true(has_line("evil?[2J"));
	for (int y = 0; y < canvas.height; y++)
		for (const char *p = line(y); *p; p++)
			assert_true((uint8_t)*p >= 0x20);
}

/* What of a service only some hosts and protocols have. */
static void test_columns_of_what_is_known(void **state)
{
	static const char *const heads[] = { "TLS", "RTT", "RETRANS", "CONNS", NULL };
	static const char *const cells[] = { "6 dark", "777 us", "4321", "17", NULL };
	struct top_row known = rows[0];
	draw(300, 24);
	for (size_t i = 0; heads[i]; i++)
		assert_true(strstr(line(2), heads[i]) && strstr(line(4), cells[i]));
	rows[0].knows_tcp = false;
	rows[0].r.encrypted = 0;
	draw(300, 24);
	for (size_t i = 0; heads[i]; i++)
		assert_null(strstr(line(2), heads[i]));
	rows[0] = known;
}

static void test_columns_fit_any_width(void **state)
{
	size_t places[COLUMNS_MAX], before = 0;
	int widths[COLUMNS_MAX];

	for (int group = RECENT_BY_SERVICE; group <= RECENT_BY_PROTOCOL; group++) {
		const struct columns *cs = columns_of(TOP_TOP, group);

		assert_true(cs->n <= COLUMNS_MAX && cs->list[cs->sort].compare);
		before = 0;
		for (int width = 80; width <= 250; width++) {
			size_t n = columns_fit(cs, &frame, width, places, widths);
			int sum = (int)n - 1;

			for (size_t i = 0; i < n; i++)
				sum += widths[i];
			assert_true(sum <= width && n >= before && places[0] == 0);
			before = n;
		}
	}
	/* what it says of a column is not cut on the smallest screen */
	for (int group = RECENT_BY_SERVICE; group <= RECENT_BY_PROTOCOL + 1; group++) {
		enum top_level level = group > RECENT_BY_PROTOCOL ? TOP_REQUESTS : TOP_TOP;
		const struct columns *cs = columns_of(level, level ? 0 : group);

		for (size_t i = 0; i < cs->n; i++)
			assert_true(canvas_width(cs->list[i].help) <= 80 - 17);
	}
	/* 80 columns have what matters */
	before = columns_fit(columns_of(TOP_TOP, 0), &frame, 80, places, widths);
	assert_true(before >= 8);
}

static void test_wide_characters(void **state)
{
	struct canvas c = { .is_unicode = true };
	char text[256];

	assert_int_equal(canvas_width("日本"), 4);
	canvas_reset(&c, 12, 1);
	/* cut at a whole character, and the ellipsis within the room */
	assert_true(canvas_text(&c, 0, 0, 6, STYLE_NORMAL, "日本語の") <= 6);
	canvas_line(&c, 0, text, sizeof(text));
	assert_string_equal(text, "日本…");
	c.is_unicode = false;
	canvas_reset(&c, 12, 1);
	canvas_text(&c, 0, 0, 12, STYLE_NORMAL, "aé日z");
	canvas_line(&c, 0, text, sizeof(text));
	assert_string_equal(text, "a??z");
	/* outside of it: nothing happens */
	canvas_text(&c, 5, 0, 12, STYLE_NORMAL, "x");
	canvas_text(&c, 0, 11, 12, STYLE_NORMAL, "xyz");
	canvas_select(&c, -1);
	canvas_free(&c);
}

static void test_sort_and_cursor(void **state)
{
	draw(120, 24);
	assert_string_equal(view_row(&view, &frame)->r.name, rows[1].r.name); /* 50 a second */
	view_press(&view, VIEW_DOWN, &frame);
	assert_string_equal(view_row(&view, &frame)->r.name, "shop");
	/* it stays with its row, wherever that goes */
	press("s"); /* ERR% */
	draw(120, 24);
	assert_string_equal(view_row(&view, &frame)->r.name, "shop");
	assert_true(view.cursor == 1);
	assert_non_null(strstr(line(3), "evil"));
	press("i");
	draw(120, 24);
	assert_non_null(strstr(line(5), "evil"));
	press("<");
	assert_string_equal(view.message, "sorted by REQ/S");
	/* from the first column on to the last, never to one that has no order */
	for (int i = 0; i < 40; i++) {
		press(i < 20 ? ">" : "<");
		assert_non_null(columns_of(view.ask.level, view.ask.group)
					->list[view.sort[TOP_TOP]]
					.compare);
	}
	view_press(&view, VIEW_END, &frame);
	assert_int_equal(view.cursor, 2);
	view_press(&view, VIEW_PAGE_UP, &frame);
	assert_int_equal(view.cursor, 0);
}

static void test_scroll(void **state)
{
	static struct top_row many[500];
	struct top_frame f = frame;

	for (size_t i = 0; i < 500; i++) {
		many[i].r.key = i + 1;
		many[i].r.f.rate_now = (double)(1000 - i);
		snprintf(many[i].r.name, sizeof(many[i].r.name), "s%03zu", i);
	}
	f.rows = many;
	f.n_rows = 500;
	view_take(&view, &f, 24);
	view_press(&view, VIEW_END, &f);
	view_take(&view, &f, 24);
	assert_int_equal(view.first, 500 - view_table_height(24));
	canvas_reset(&canvas, 80, 24);
	view_draw(&view, &f, &canvas);
	assert_non_null(strstr(line(2 + view_table_height(24)), "s499"));
	/* a screen too small for any row */
	for (int height = 0; height < 9; height++) {
		canvas_reset(&canvas, 3, height);
		view_take(&view, &f, height);
		view_draw(&view, &f, &canvas);
	}
}

static void test_zoom(void **state)
{
	struct top_frame f = frame;
	struct top_row inside = { .r = { .key = 9,
					 .group = RECENT_BY_ENDPOINT,
					 .role = SONDE_ROLE_SERVER,
					 .name = "GET /{id}",
					 .service = "shop" } };
	press("s");
	draw(120, 24);
	view_press(&view, VIEW_DOWN, &frame);
	assert_int_equal(view_press(&view, VIEW_ENTER, &frame), VIEW_ASK);
	assert_int_equal(view.ask.level, TOP_ENDPOINTS);
	assert_string_equal(view.ask.service, "shop");
	assert_int_equal(view.ask.role, SONDE_ROLE_SERVER);
	f.rows = &inside;
	f.n_rows = 1;
	view_take(&view, &f, 24);
	assert_int_equal(view_press(&view, VIEW_ENTER, &f), VIEW_ASK);
	assert_int_equal(view.ask.level, TOP_PEERS);
	assert_string_equal(view.ask.endpoint, "GET /{id}");
	inside.r.group = RECENT_BY_PEER;
	strcpy(inside.r.name, "10.0.0.1");
	view_take(&view, &f, 24);
	view_press(&view, VIEW_ENTER, &f);
	assert_int_equal(view.ask.level, TOP_REQUESTS);
	draw(160, 24);
	assert_non_null(
		strstr(line(1), "services › shop (server) › GET /{id} › 10.0.0.1 › requests"));
	assert_non_null(strstr(line(3), "GET /slow"));
	press("<"); /* by status: what hangs first */
	draw(160, 24);
	assert_non_null(strstr(line(3), "GET /stuck"));
	assert_non_null(strstr(line(4), "GET /bad"));
	/* and out again by the way one came */
	for (int level = TOP_PEERS; level >= TOP_TOP; level--) {
		assert_int_equal(view_press(&view, VIEW_ESCAPE, &frame), VIEW_ASK);
		assert_int_equal(view.ask.level, level);
	}
	assert_string_equal(view.ask.service, "");
	assert_string_equal(view.ask.endpoint, "");
	assert_int_equal(view_press(&view, VIEW_ESCAPE, &frame), VIEW_NOTHING);
}

static void test_filter(void **state)
{
	press("/SHq");
	draw(120, 24);
	assert_true(view.is_typing && has_line("/SHq_"));
	assert_int_equal(view.n_order, 0);
	assert_true(has_line("Esc takes the filter away"));
	view_press(&view, VIEW_BACKSPACE, &frame);
	draw(120, 24);
	assert_int_equal(view.n_order, 1);
	view_press(&view, VIEW_ENTER, &frame);
	assert_false(view.is_typing);
	view_press(&view, VIEW_ESCAPE, &frame);
	draw(120, 24);
	assert_int_equal(view.n_order, 3);
	press("/");
	view_press(&view, 0x65e5, &frame); /* 日 */
	draw(120, 24);
	assert_int_equal(view.n_order, 1);
	view_press(&view, VIEW_BACKSPACE, &frame);
	assert_string_equal(view.filter, "");
	view_press(&view, VIEW_ESCAPE, &frame);
	for (int i = 0; i < 500; i++) { /* longer than there is room for */
		press(i ? "x" : "/");
		view_press(&view, 0x20ac, &frame);
	}
	assert_true(strlen(view.filter) < sizeof(view.filter));
}

static void test_switches(void **state)
{
	assert_int_equal(view_press(&view, 'e', &frame), VIEW_ASK);
	assert_true(view.ask.errors_only);
	assert_int_equal(view_press(&view, ' ', &frame), VIEW_ASK);
	draw(120, 24);
	assert_true(has_line("PAUSED") && has_line("errors only"));
	for (int i = RECENT_BY_ENDPOINT; i <= RECENT_BY_PROTOCOL; i++) {
		assert_int_equal(view_press(&view, 'g', &frame), VIEW_ASK);
		assert_int_equal(view.ask.group, i);
		draw(120, 24);
	}
	assert_true(has_line(" protocols"));
	view_press(&view, 'g', &frame);
	assert_int_equal(view.ask.group, RECENT_BY_SERVICE);
	assert_int_equal(view_press(&view, 't', &frame), VIEW_NOTHING);
	assert_non_null(strstr(view.message, "recording"));
	view.is_replay = true;
	assert_int_equal(view_press(&view, 't', &frame), VIEW_FORWARD);
	assert_int_equal(view_press(&view, 'T', &frame), VIEW_BACK);
	assert_int_equal(view_press(&view, 'r', &frame), VIEW_RECORD);
	assert_int_equal(view_press(&view, 'y', &frame), VIEW_COPY);
	press("?");
	draw(80, 30);
	assert_true(has_line("into the row") && has_line("any key"));
	/* the smallest screen explains what it shows, and cuts none of it */
	draw(80, 24);
	assert_true(has_line("  WAITS         where the requests' time") && has_line("  P99  "));
	assert_true(has_line("endpoint, peer, protocol  y    copy the row as JSON"));
	press("x");
	assert_false(view.is_help);
	assert_int_equal(view_press(&view, 'q', &frame), VIEW_QUIT);
}

static void test_footer(void **state)
{
	static const uint64_t many[WAIT_MAX] = {
		[WAIT_RECEIVE_QUEUE] = 50,
		[WAIT_RUNQUEUE] = 90,
		[WAIT_CPU] = 70,
		[WAIT_DOWNSTREAM] = 790,
	};
	uint64_t was[WAIT_MAX];

	memcpy(was, rows[0].r.f.waits, sizeof(was));
	draw(160, 24);
	view_press(&view, VIEW_DOWN, &frame);
	draw(160, 24);
	assert_string_equal(line(20),
			    " waits ██████████████████████████████  █ cpu 25%  █ blocked 75%");
	assert_string_equal(line(21), " errors 12 % (12 of 100), over 5 %");
	assert_string_equal(line(22),
			    " 1234 events/s  7 lost  2 unknown  3 encrypted  sonde 3.4% cpu 9 MB  "
			    "socket tier  pressure cpu 50% memory 0% io 1%");
	assert_non_null(strstr(line(23), "q quit"));
	/* the word of the tier is what there must be room for */
	frame.self.events_rate = 12345;
	draw(80, 24);
	assert_string_equal(line(22), " 12345 events/s  7 lost  2 unknown  3 encrypted  "
				      "sonde 3.4% cpu 9 MB  socket");
	frame.self.events_rate = 1234;
	/* of 80 columns there is always room for where the others are told, and for the way out */
	draw(80, 24);
	assert_non_null(strstr(line(23), "/ filter  s sort"));
	assert_non_null(strstr(line(23), "  ? help  q quit"));
	view.is_replay = true;
	draw(120, 24);
	assert_non_null(strstr(line(23), "t T step"));
	view.is_replay = false;
	/* where there is no room for every part, it is the smallest that are left out, and that is
	 * said */
	memcpy(rows[0].r.f.waits, many, sizeof(many));
	draw(100, 24);
	assert_string_equal(line(20),
			    " waits ████████████████  █ receive queue 5%  █ run queue 9%  "
			    "█ cpu 7%  █ downstream 79%");
	draw(80, 24);
	assert_string_equal(line(20), " waits ████████████████  █ run queue 9%  █ cpu 7%  "
				      "█ downstream 79%  …");
	memcpy(rows[0].r.f.waits, was, sizeof(was));
	/* what stalls is told whole, or not at all */
	draw(108, 24);
	assert_non_null(strstr(line(22), "socket tier  psi cpu 50% mem 0% io 1%"));
	draw(105, 24);
	assert_string_equal(line(22), " 1234 events/s  7 lost  2 unknown  3 encrypted  "
				      "sonde 3.4% cpu 9 MB  socket tier");
	draw(80, 24);
	/* without colours a bar is made of letters */
	canvas.is_color = false;
	draw(80, 24);
	assert_string_equal(line(20), " waits ccccbbbbbbbbbbbb  c cpu 25%  b blocked 75%");
	canvas.is_color = true;
}

/* Turns come once a second, more or less late; each picture costs as much. */
static double share_of_a_core(uint64_t cost_ns, uint64_t *pictures)
{
	uint64_t now_ns = 7 * NS_PER_S, due_ns = 0;

	*pictures = 0;
	for (uint64_t turn = 0; turn < 600; turn++, now_ns += NS_PER_S) {
		uint64_t at_ns = now_ns + turn % 7 * 20 * NS_PER_MS;

		if (at_ns < due_ns)
			continue;
		due_ns = view_due_ns(at_ns, cost_ns);
		++*pictures;
	}
	return (double)(*pictures * cost_ns) / (600.0 * NS_PER_S);
}

static void test_pictures_cost_little(void **state)
{
	uint64_t pictures;

	assert_true(share_of_a_core(20 * NS_PER_MS, &pictures) < 0.03);
	assert_int_equal(pictures, 600);
	for (uint64_t ms = 10; ms < 2000; ms += 7)
		assert_true(share_of_a_core(ms * NS_PER_MS, &pictures) <= 0.033 && pictures > 5);
}

static void test_bar_is_full(void **state)
{
	uint64_t parts[WAIT_MAX] = { 1, 1, 1, 0, 0, 0, 0 };
	int cells[WAIT_MAX], sum;

	for (int room = 1; room < 40; room++) {
		bar_share(parts, 3, room, cells);
		sum = 0;
		for (int i = 0; i < WAIT_MAX; i++)
			sum += cells[i];
		assert_int_equal(sum, room);
	}
	bar_share(parts, 0, 10, cells);
	for (int i = 0; i < WAIT_MAX; i++)
		assert_int_equal(cells[i], 0);
	/* more than the whole, which must not be, does not leave the room */
	parts[0] = 1000;
	bar_share(parts, 3, 10, cells);
	assert_true(cells[0] <= 10);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_table),
		TEST(test_columns_of_what_is_known),
		TEST(test_columns_fit_any_width),
		TEST(test_wide_characters),
		TEST(test_sort_and_cursor),
		TEST(test_scroll),
		TEST(test_zoom),
		TEST(test_filter),
		TEST(test_switches),
		TEST(test_footer),
		TEST(test_pictures_cost_little),
		TEST(test_bar_is_full),
	};

	setlocale(LC_CTYPE, "C.UTF-8");
	return cmocka_run_group_tests(tests, NULL, NULL);
}
