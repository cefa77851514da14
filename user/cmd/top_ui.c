/* SPDX-License-Identifier: Apache-2.0 */
#include "cmd/top_ui.h"

#include <errno.h>
#include <jansson.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "export/figures_json.h"
#include "export/requests_json.h"
#include "top/screen.h"
#include "util/clock.h"
#include "util/log.h"

static void paint(struct top_ui *ui)
{
	char said[sizeof(ui->view.message)];

	if (screen_fit(ui->screen, &ui->canvas))
		return;
	screen_said(ui->screen, said, sizeof(said));
	if (*said)
		snprintf(ui->view.message, sizeof(ui->view.message), "%s", said);
	if (view_take(&ui->view, &ui->frame, ui->canvas.height))
		return;
	view_draw(&ui->view, &ui->frame, &ui->canvas);
	screen_paint(ui->screen, &ui->canvas);
}

static void ask(struct top_ui *ui)
{
	uint64_t at_ns = ui->view.is_paused ? ui->frame.now_ns : 0;
	int err = ui->source.read(ui->source.ctx, &ui->view.ask, at_ns, &ui->frame);

	if (err && !ui->frame.error[0])
		snprintf(ui->frame.error, sizeof(ui->frame.error), "%s", strerror(-err));
}

static void on_second(void *ctx)
{
	struct top_ui *ui = ctx;
	uint64_t now_ns = clock_mono_ns(), begin_ns = clock_ns(CLOCK_PROCESS_CPUTIME_ID);

	if (now_ns < ui->due_ns)
		return;
	if (!ui->view.is_paused)
		ask(ui);
	paint(ui);
	/* a recording is read in between: that is no picture */
	if (!ui->view.is_replay)
		ui->due_ns = view_due_ns(now_ns, clock_ns(CLOCK_PROCESS_CPUTIME_ID) - begin_ns);
}

/* --- keys --- */

/* What the columns of a service say beside its figures. */
static void usage_json(json_t *o, const struct top_row *row)
{
	if (row->knows_usage) {
		json_object_set_new(o, "cpu_cores", json_real(row->cpu_cores));
		json_object_set_new(o, "memory_bytes", json_integer((json_int_t)row->memory_bytes));
	}
	if (row->knows_stalls)
		json_object_set_new(o, "stalled",
				    json_pack("{s:f, s:f, s:f}", "cpu", row->stalls[0], "memory",
					      row->stalls[1], "io", row->stalls[2]));
	if (!row->knows_tcp)
		return;
	json_object_set_new(o, "open_connections", json_integer((json_int_t)row->connections));
	json_object_set_new(o, "retransmits", json_integer((json_int_t)row->retransmits));
	json_object_set_new(o, "rtt_seconds",
			    row->rtt_ns ? json_real((double)row->rtt_ns * 1e-9) : json_null());
}

static char *item_json(const struct top_ui *ui)
{
	const struct top_row *row = view_row(&ui->view, &ui->frame);
	const struct recent_request *t = view_request(&ui->view, &ui->frame);
	int64_t offset_ns = ui->frame.unix_ns - (int64_t)ui->frame.now_ns;
	json_t *o = t ? request_json(t, offset_ns) : NULL;
	char *text;

	if (row) {
		o = json_object();
		json_object_set_new(o, "name", json_string(row->r.name));
		json_object_set_new(o, "service", json_string(row->r.service));
		json_object_set_new(
			o, "role",
			json_string(row->r.role == SONDE_ROLE_SERVER ? "server" : "client"));
		json_object_set_new(o, "protocol", json_string(row->r.protocol));
		if (row->is_judged)
			json_object_set_new(o, "health", json_string(health_name(row->health)));
		figures_json(o, &row->r);
		json_object_set_new(o, "encrypted_connections", json_integer(row->r.encrypted));
		usage_json(o, row);
	}
	text = o ? json_dumps(o, JSON_COMPACT | JSON_REAL_PRECISION(9)) : NULL;
	json_decref(o);
	return text;
}

/* Not every terminal lets itself be written into: stdout has it in the end as well. */
static void copy(struct top_ui *ui)
{
	char *text = item_json(ui);

	if (!text)
		return;
	screen_copy(ui->screen, text);
	if (!ui->copies)
		ui->copies = open_memstream(&ui->copied, &ui->copied_size);
	if (ui->copies)
		fprintf(ui->copies, "%s\n", text);
	snprintf(ui->view.message, sizeof(ui->view.message),
		 "copied as JSON, %zu bytes; printed when you quit", strlen(text));
	free(text);
}

static void step(struct top_ui *ui, int way)
{
	int err = ui->source.step(ui->source.ctx, way);

	ui->view.is_paused = false;
	if (err)
		snprintf(ui->view.message, sizeof(ui->view.message), "%s", strerror(-err));
	ask(ui);
	ui->view.is_paused = true; /* it stays where one has stepped to */
}

static void record(struct top_ui *ui)
{
	struct view *v = &ui->view;

	if (ui->source.record)
		v->is_recording = ui->source.record(ui->source.ctx, v->message, sizeof(v->message));
	else
		snprintf(v->message, sizeof(v->message), "only what is observed here is recorded");
}

static void act(struct top_ui *ui, enum view_action action)
{
	switch (action) {
	case VIEW_NOTHING: break;
	case VIEW_ASK: ask(ui); break;
	case VIEW_QUIT: loop_stop(ui->loop); break;
	case VIEW_FORWARD: step(ui, 1); break;
	case VIEW_BACK: step(ui, -1); break;
	case VIEW_RECORD: record(ui); break;
	case VIEW_COPY: copy(ui); break;
	}
}

/* SIGHUP reads the configuration again: that the terminal is gone shows here. */
static bool is_terminal_gone(void)
{
	struct pollfd p = { .fd = STDIN_FILENO, .events = POLLIN };

	return poll(&p, 1, 0) > 0 && (p.revents & (POLLHUP | POLLERR | POLLNVAL));
}

static void on_key(void *ctx)
{
	struct top_ui *ui = ctx;
	int key;

	while ((key = screen_key(ui->screen)) >= 0) {
		act(ui, view_press(&ui->view, key, &ui->frame));
		view_take(&ui->view, &ui->frame, ui->canvas.height);
	}
	if (is_terminal_gone())
		loop_stop(ui->loop);
	else
		paint(ui);
}

static void on_resize(void *ctx)
{
	paint(ctx);
}

int top_ui_open(struct top_ui *ui, struct loop *loop, const struct top_source *source)
{
	char why[256] = "out of memory";
	int err;

	*ui = (struct top_ui){ .loop = loop, .source = *source };
	view_init(&ui->view);
	ui->view.is_replay = source->step != NULL;
	ui->screen = screen_open(why, sizeof(why));
	if (!ui->screen) {
		log_error("%s", why);
		return -1;
	}
	err = loop_watch(loop, STDIN_FILENO, on_key, ui);
	if (!err)
		err = loop_signal(loop, SIGWINCH, on_resize, ui);
	if (!err)
		err = loop_timer(loop, NS_PER_S, on_second, ui);
	if (err < 0) {
		log_error("the live view cannot start: %s", strerror(-err));
		return -1;
	}
	on_second(ui);
	return 0;
}

void top_ui_close(struct top_ui *ui)
{
	screen_close(ui->screen);
	ui->screen = NULL;
	if (ui->copies) {
		fclose(ui->copies);
		fputs(ui->copied, stdout);
		fflush(stdout);
	}
	free(ui->copied);
	view_free(&ui->view);
	canvas_free(&ui->canvas);
	frame_free(&ui->frame);
	*ui = (struct top_ui){ 0 };
}
