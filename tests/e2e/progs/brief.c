/* SPDX-License-Identifier: Apache-2.0 */
/* brief PORT: one request, then gone; the whole process lives a few milliseconds. */
#include "net.h"

int main(int argc, char **argv)
{
	static const char ask[] = "GET /brief HTTP/1.1\r\nHost: localhost\r\n"
				  "Connection: close\r\n\r\n";
	struct sockaddr_in a = net_loopback(argv[argc > 1]);
	char buffer[4096];
	int fd = socket(AF_INET, SOCK_STREAM, 0);

	if (connect(fd, (struct sockaddr *)&a, sizeof(a)) || write(fd, ask, sizeof(ask) - 1) < 0)
		return 1;
	while (read(fd, buffer, sizeof(buffer)) > 0)
		;
	return 0;
}
