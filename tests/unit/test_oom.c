/* SPDX-License-Identifier: Apache-2.0 */
/* Kills for want of memory, in words. */
#include <stddef.h>
#include <stdint.h>
#include <stdarg.h>
#include <setjmp.h>
#include <cmocka.h>

#include <string.h>
#include "pressure/oom.h"

static void test_for_another(void **state)
{
	const struct sonde_ev_oom ev = { .tgid = 5, .asker_tgid = 7, .asker_group = "jobs" };
	char line[OOM_LINE_LEN];

	oom_line(&ev, "redis", "", line);
	assert_string_equal(line, "redis (pid 5) is killed for want of memory, which a process "
				  "(pid 7, cgroup jobs) had asked for");
}

static void test_for_itself(void **state)
{
	const struct sonde_ev_oom ev = {
		.tgid = 5, .asker_tgid = 5, .group = "a", .asker_group = "a"
	};
	char line[OOM_LINE_LEN];

	oom_line(&ev, "redis", "redis", line);
	assert_string_equal(line, "redis (pid 5, cgroup a) is killed for want of memory");
}

/* The longest there is finds room. */
static void test_long(void **state)
{
	struct sonde_ev_oom ev = { .tgid = UINT32_MAX, .asker_tgid = UINT32_MAX - 1 };
	char line[OOM_LINE_LEN];

	memset(ev.group, 'g', sizeof(ev.group) - 1);
	memset(ev.asker_group, 'h', sizeof(ev.asker_group) - 1);
	oom_line(&ev, "a name of 15 ch", "a name of 15 ch", line);
	assert_string_equal(line + strlen(line) - 16, "h) had asked for");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_for_another),
		cmocka_unit_test(test_for_itself),
		cmocka_unit_test(test_long),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
