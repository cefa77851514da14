/* SPDX-License-Identifier: Apache-2.0 */
/* compat PORT: an HTTP server that reads and writes as a 32-bit program does: the old way into the
 * kernel is open to 64-bit ones too, for memory below 4 GiB. */
#include <sys/mman.h>
#include "net.h"

enum { READ = 3, WRITE = 4 };

static const char reply[] = "HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nok\n";

static int call32(int nr, int fd, const void *at, size_t n)
{
	int ret = -1;

#ifdef __x86_64__
	__asm__ volatile("int $0x80"
			 : "=a"(ret)
			 : "a"(nr), "b"(fd), "c"((unsigned)(unsigned long)at), "d"((unsigned)n)
			 : "memory", "r8", "r9", "r10", "r11");
#endif
	return ret;
}

static void serve(int fd, char *buf)
{
	char *out = buf + 8192;
	int used = 0, n;

	memcpy(out, reply, sizeof(reply));
	while ((n = call32(READ, fd, buf + used, 8192 - used)) > 0) {
		used += n;
		if (used < 4 || memcmp(buf + used - 4, "\r\n\r\n", 4))
			continue;
		used = 0;
		if (call32(WRITE, fd, out, sizeof(reply) - 1) < 0)
			break;
	}
	close(fd);
}

int main(int argc, char **argv)
{
	int listener = net_listen(argv[argc > 1]);
	char *buf = mmap(NULL, 16384, PROT_READ | PROT_WRITE,
			 MAP_PRIVATE | MAP_ANONYMOUS | MAP_32BIT, -1, 0);

	if (buf == MAP_FAILED)
		return 1;
	for (;;)
		serve(net_accept(listener), buf);
}
