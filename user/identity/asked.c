/* SPDX-License-Identifier: Apache-2.0 */
#include "identity/asked.h"

#include <jansson.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "util/clock.h"
#include "util/log.h"
#include "util/utf8.h"

#define FIRST_WAIT_NS NS_PER_S
#define LAST_WAIT_NS  (60 * NS_PER_S)
#define SOON_NS	      (NS_PER_S / 4) /* several come at once */
#define SOON_LAST_NS  (8 * NS_PER_S)

/* Between three quarters of the time and all of it: the nodes of a cluster shall not ask at once. */
static uint64_t wait_ns(struct asked *a)
{
	uint64_t wait = FIRST_WAIT_NS << (a->tries < 6 ? a->tries : 6);

	if (wait > LAST_WAIT_NS)
		wait = LAST_WAIT_NS;
	a->seed = a->seed * 6364136223846793005ULL + 1442695040888963407ULL;
	return wait - (a->seed >> 33) % (wait / 4);
}

void asked_init(struct asked *a, const char *name, const char *where)
{
	*a = (struct asked){ .name = name, .due_ns = 1, .seed = clock_mono_ns() };
	snprintf(a->where, sizeof(a->where), "%s", where);
}

void asked_failed(struct asked *a, uint64_t now_ns, const char *fmt, ...)
{
	char text[ASKED_REASON_MAX], was[ASKED_REASON_MAX];
	va_list args;

	va_start(args, fmt);
	vsnprintf(text, sizeof(text), fmt, args);
	va_end(args);
	memcpy(was, a->reason, sizeof(was));
	utf8_clean(a->reason, sizeof(a->reason), slice_str(text));
	a->failures++;
	a->due_ns = now_ns + wait_ns(a);
	a->tries++;
	if (strcmp(was, a->reason) != 0)
		log_warn("%s (%s): %s; what it would say of %s is missing", a->name, a->where,
			 a->reason, a->about ? a->about : "containers");
}

bool asked_is_time(struct asked *a, uint64_t now_ns, uint64_t misses, uint64_t changes)
{
	/* while it fails its own times hold */
	bool is_missed = misses != a->misses && a->has_answered && !a->reason[0];
	uint64_t due_ns = a->due_ns;

	if (!due_ns)
		return false;
	if (changes != a->changes)
		a->soon_ns = SOON_NS;
	if (is_missed && due_ns > a->asked_ns + a->soon_ns)
		due_ns = a->asked_ns + a->soon_ns;
	if (now_ns < due_ns)
		return false;
	a->soon_ns = !is_missed			     ? SOON_NS
		     : a->soon_ns * 2 < SOON_LAST_NS ? a->soon_ns * 2
						     : SOON_LAST_NS;
	a->misses = misses;
	a->changes = changes;
	a->asked_ns = now_ns;
	return true;
}

/* {"message": "..."}: Docker's errors and Kubernetes' Status alike */
static void message_of(struct slice body, char *out, size_t size)
{
	json_t *root = json_loadb((const char *)body.p, body.n, 0, NULL);
	const char *said = json_string_value(json_object_get(root, "message"));

	snprintf(out, size, "%s%s", said ? ": " : "", said ? said : "");
	json_decref(root);
}

void asked_refused(struct asked *a, uint64_t now_ns, const struct fetch_end *end, struct slice body)
{
	char message[ASKED_REASON_MAX];

	if (end->status == 0 || (end->status == 200 && !end->is_whole)) {
		asked_failed(a, now_ns, "%s", end->error);
		return;
	}
	message_of(body, message, sizeof(message));
	asked_failed(a, now_ns, "answered %d%s", end->status, message);
	if (end->retry_after_ns && a->due_ns < now_ns + end->retry_after_ns)
		a->due_ns = now_ns + end->retry_after_ns;
}

void asked_answered(struct asked *a)
{
	if (a->reason[0])
		log_info("%s (%s) answers again", a->name, a->where);
	a->reason[0] = '\0';
	a->tries = 0;
	a->has_answered = true;
}

bool answer_text_add(struct answer_text *t, struct slice piece)
{
	size_t cap = t->cap ? t->cap : 16384;
	char *p;

	if (piece.n > t->max - t->n)
		return false;
	while (cap < t->n + piece.n)
		cap *= 2;
	if (cap > t->cap) {
		p = realloc(t->p, cap);
		if (!p)
			return false;
		t->p = p;
		t->cap = cap;
	}
	memcpy(t->p + t->n, piece.p, piece.n);
	t->n += piece.n;
	return true;
}

void answer_text_free(struct answer_text *t)
{
	free(t->p);
	*t = (struct answer_text){ .max = t->max };
}
