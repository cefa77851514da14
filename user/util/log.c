/* SPDX-License-Identifier: Apache-2.0 */
#include "util/log.h"

#include <stdarg.h>
#include <stdio.h>
#include <time.h>

#include "util/utf8.h"

static enum log_level log_max = LOG_INFO;
static bool log_json;

void log_init(enum log_level level, bool json)
{
	log_max = level;
	log_json = json;
}

static void put_json_string(const char *s)
{
	for (; *s; s++) {
		if (*s == '"' || *s == '\\')
			fputc('\\', stderr);
		fputc(*s, stderr);
	}
}

void log_at(enum log_level level, const char *fmt, ...)
{
	static const char *const names[] = { "error", "warn", "info", "debug" };
	char line[1024];
	va_list ap;

	if (level > log_max)
		return;
	va_start(ap, fmt);
	vsnprintf(line, sizeof(line), fmt, ap);
	va_end(ap);
	utf8_tame(line); /* it may name what is observed: one line, that steers no terminal */
	if (!log_json) {
		fprintf(stderr, "sonde: %s\n", line);
		return;
	}
	fprintf(stderr, "{\"time\":%lld,\"level\":\"%s\",\"message\":\"", (long long)time(NULL),
		names[level]);
	put_json_string(line);
	fputs("\"}\n", stderr);
}
