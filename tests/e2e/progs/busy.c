/* SPDX-License-Identifier: Apache-2.0 */
/* busy: works for 2 of each 100 ms; after SIGUSR1 for all of them. Says when it can be told so. */
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <time.h>
#include <unistd.h>

static volatile sig_atomic_t always;

static void on_signal(int number)
{
	(void)number;
	always = true;
}

static int64_t used_us(void)
{
	struct timespec t;

	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
	return t.tv_sec * 1000000LL + t.tv_nsec / 1000;
}

int main(void)
{
	signal(SIGUSR1, on_signal);
	puts("ready");
	fflush(stdout);
	for (;;) {
		for (int64_t until = used_us() + 2000; used_us() < until;)
			;
		if (!always)
			usleep(98000);
	}
}
