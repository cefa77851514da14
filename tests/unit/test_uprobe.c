// SPDX-License-Identifier: Apache-2.0
/* Letting go of many descriptors at a time leaves none of them open. What a kernel does with links
 * the end-to-end suite tells. */
#include <stddef.h>
#include <stdint.h>
#include <stdarg.h>
#include <setjmp.h>
#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>
#include "capture/uprobe.h"

enum { MANY = 100 }; /* more than there are threads, and no multiple of them */

static void all_are_closed(void **state)
{
	int fds[MANY] = { 0 };

	for (size_t n = 0; n <= MANY; n += n < 3 ? 1 : 97) {
		for (size_t i = 0; i < n; i++) {
			fds[i] = open("/dev/null", O_RDONLY | O_CLOEXEC);
			assert_true(fds[i] >= 0);
		}
		uprobe_detach_all(fds, n);
		for (size_t i = 0; i < n; i++) {
			assert_int_equal(fcntl(fds[i], F_GETFD), -1);
			assert_int_equal(errno, EBADF);
		}
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(all_are_closed),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
