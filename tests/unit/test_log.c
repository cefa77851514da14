/* SPDX-License-Identifier: Apache-2.0 */
/* What messages and check print of names that the observed have given themselves. */
#include <stddef.h>
#include <stdint.h>
#include <stdarg.h>
#include <setjmp.h>
#include <cmocka.h>

#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>
#include "cmd/check_report.h"
#include "util/log.h"

#define NAME "shop\x1b]0;\x07\n\xc2\x9b\xff\"\\"

/* What the message is on stderr, with NAME in it. */
static char *said(bool is_json)
{
	static char out[4096];
	int held = dup(STDERR_FILENO), fd = memfd_create("said", MFD_CLOEXEC);
	ssize_t n;

	dup2(fd, STDERR_FILENO);
	log_init(LOG_INFO, is_json);
	log_info("seen: %s", NAME);
	fflush(stderr);
	dup2(held, STDERR_FILENO);
	n = pread(fd, out, sizeof(out) - 1, 0);
	close(held);
	close(fd);
	assert_true(n > 0);
	out[n] = '\0';
	return out;
}

static void messages_are_one_line_of_text(void **state)
{
	assert_string_equal(said(false), "sonde: seen: shop?]0;?"
					 "???"
					 "?\"\\\n");
}

static void messages_are_json(void **state)
{
	json_t *o = json_loads(said(true), 0, NULL);

	assert_non_null(o);
	assert_string_equal(json_string_value(json_object_get(o, "message")), "seen: shop?]0;?"
									      "???"
									      "?\"\\");
	json_decref(o);
}

static void check_prints_names_as_text(void **state)
{
	struct check_report r = { .process = { .pid = 1, .is_found = true } };
	char *text = NULL;
	size_t n;
	FILE *out = open_memstream(&text, &n);

	strcpy(r.process.comm, "sh\x1b[2J");
	strcpy(r.process.exe, "/tmp/" NAME);
	strcpy(r.process.service, NAME);
	check_text(&r, out);
	fclose(out);
	assert_null(strpbrk(text, "\x1b\x07\xff\x9b"));
	assert_non_null(strstr(text, "process 1 (sh?[2J)"));
	free(text);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(messages_are_one_line_of_text),
		cmocka_unit_test(messages_are_json),
		cmocka_unit_test(check_prints_names_as_text),
	};

	return cmocka_run_group_tests_name("log", tests, NULL, NULL);
}
