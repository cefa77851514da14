/* SPDX-License-Identifier: Apache-2.0 */
#include "export/server.h"

#include <arpa/inet.h>
#include <errno.h>
#include <microhttpd.h>
#include <netdb.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <unistd.h>
#include "export/answer.h"
#include "export/web_config.h"
#include "util/clock.h"

enum {
	SERVER_BACKLOG = 64,
	SERVER_RUNS = 8, /* of the library, in one turn of our loop, while it has more to do */
};

struct server {
	struct status_source source;
	struct MHD_Daemon *daemon;
	struct MHD_Daemon *old; /* of before server_renew(): has no new connections; NULL: none */
	uint64_t old_end_ns;	/* not to be kept for longer */
	int epoll_fd;		/* of the daemons' */
	struct web_config *web; /* borrowed; NULL: none */
	bool is_loopback;
	uint16_t port;
};

static bool server_is_loopback(const struct sockaddr *sa)
{
	const struct sockaddr_in *v4 = (const struct sockaddr_in *)sa;
	const struct sockaddr_in6 *v6 = (const struct sockaddr_in6 *)sa;

	if (sa->sa_family == AF_INET)
		return ntohl(v4->sin_addr.s_addr) >> 24 == 127;
	return sa->sa_family == AF_INET6 && IN6_IS_ADDR_LOOPBACK(&v6->sin6_addr);
}

/* A listening socket of our own rather than the library's: it tells why there is none. */
static int server_listen(struct server *s, const struct addrinfo *ai)
{
	struct sockaddr_storage bound;
	socklen_t n = sizeof(bound);
	int one = 1, res, fd;

	fd = socket(ai->ai_family, ai->ai_socktype | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0)
		return -errno;
	/* a restart need not wait for the connections of before to be forgotten */
	if (setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one)) < 0 ||
	    bind(fd, ai->ai_addr, ai->ai_addrlen) < 0 || listen(fd, SERVER_BACKLOG) < 0 ||
	    getsockname(fd, (struct sockaddr *)&bound, &n) < 0) {
		res = -errno;
		close(fd);
		return res;
	}
	s->is_loopback = server_is_loopback((struct sockaddr *)&bound);
	/* the port stands at the same place in both families */
	s->port = ntohs(((struct sockaddr_in *)&bound)->sin_port);
	return fd;
}

/* What stands between %: as it came. Paths are compared byte by byte, and none of ours needs it. */
static size_t server_unescape(void *cls, struct MHD_Connection *c, char *s)
{
	return strlen(s);
}

static bool server_is_body_too_large(struct MHD_Connection *c)
{
	const char *length = MHD_lookup_connection_value(c, MHD_HEADER_KIND, "Content-Length");

	/* of a chunked body nobody says how long it is */
	if (MHD_lookup_connection_value(c, MHD_HEADER_KIND, "Transfer-Encoding"))
		return true;
	return length && strtoull(length, NULL, 10) > SERVER_BODY_MAX;
}

static bool server_is_head_too_large(struct MHD_Connection *c)
{
	const union MHD_ConnectionInfo *info =
		MHD_get_connection_info(c, MHD_CONNECTION_INFO_REQUEST_HEADER_SIZE);

	return info && info->header_size > SERVER_HEAD_MAX;
}

static enum MHD_Result count_length(void *cls, enum MHD_ValueKind kind, const char *name,
				    const char *value)
{
	*(unsigned int *)cls += strcasecmp(name, "Content-Length") == 0;
	return MHD_YES;
}

/* RFC 9112 6.3: who forwarded it may have believed the other one. */
static bool server_has_two_lengths(struct MHD_Connection *c)
{
	unsigned int n = 0;

	MHD_get_connection_values(c, MHD_HEADER_KIND, count_length, &n);
	return n > 1;
}

/* Nobody reads along, and who asks has said who he is. */
static bool server_is_guarded(const struct server *s)
{
	const struct web_tls *tls = s->web ? web_config_tls(s->web) : NULL;

	return tls && (web_config_asks(s->web) || tls->client_auth == WEB_CLIENT_REQUIRED);
}

/* RFC 9112 3.2.2: a target may name the server as well, and has to be taken so. */
static const char *server_path(const char *target)
{
	const char *host = strncasecmp(target, "http://", 7) == 0    ? target + 7
			   : strncasecmp(target, "https://", 8) == 0 ? target + 8
								     : NULL;
	const char *path = host ? strchr(host, '/') : target;

	return path ? path : "/";
}

static enum MHD_Result server_handle(void *cls, struct MHD_Connection *c, const char *url,
				     const char *method, const char *version, const char *upload,
				     size_t *upload_size, void **state)
{
	struct server *s = cls;
	const struct answer_request r = {
		.connection = c,
		.source = &s->source,
		.path = server_path(url),
		.is_api_open = s->is_loopback || server_is_guarded(s),
		.web = s->web,
		.is_read = strcmp(method, "GET") == 0 || strcmp(method, "HEAD") == 0,
		.is_head = strcmp(method, "HEAD") == 0,
	};

	if (!*state) {
		*state = s; /* not NULL: the head has been seen */
		if (server_is_head_too_large(c))
			return answer_head_too_large(&r);
		if (server_has_two_lengths(c))
			return answer_of_two_lengths(&r);
		if (server_is_body_too_large(c))
			return answer_too_large(&r);
		/* answered at once, a body that follows is not waited for */
		return r.is_read ? MHD_YES : answer(&r);
	}
	if (*upload_size) {
		*upload_size = 0;
		return MHD_YES;
	}
	return answer(&r);
}

/* The library takes texts that it does not change. */
static struct MHD_OptionItem text_option(enum MHD_OPTION option, const char *text)
{
	return (struct MHD_OptionItem){ option, 0, (void *)(uintptr_t)text };
}

static void tls_options(const struct web_config *web, struct MHD_OptionItem out[5])
{
	const struct web_tls *tls = web ? web_config_tls(web) : NULL;
	size_t n = 0;

	if (tls) {
		out[n++] = text_option(MHD_OPTION_HTTPS_MEM_CERT, tls->certificate);
		out[n++] = text_option(MHD_OPTION_HTTPS_MEM_KEY, tls->key);
		out[n++] = text_option(MHD_OPTION_HTTPS_PRIORITIES, web_config_priorities(web));
	}
	if (tls && tls->client_ca)
		out[n++] = text_option(MHD_OPTION_HTTPS_MEM_TRUST, tls->client_ca);
	out[n] = (struct MHD_OptionItem){ .option = MHD_OPTION_END };
}

/* NULL: errno, which is EKEYREJECTED where it is TLS that cannot be had. */
static struct MHD_Daemon *start_daemon(struct server *s, const struct web_config *web, int fd)
{
	bool is_tls = web && web_config_tls(web);
	struct MHD_OptionItem tls[5];
	struct MHD_Daemon *daemon;
	struct epoll_event ev = { .events = EPOLLIN };

	tls_options(web, tls);
	daemon = MHD_start_daemon(MHD_USE_EPOLL | (is_tls ? MHD_USE_TLS : 0), 0, NULL, NULL,
				  server_handle, s, MHD_OPTION_LISTEN_SOCKET, fd,
				  MHD_OPTION_CONNECTION_LIMIT, (unsigned int)SERVER_CONNECTIONS_MAX,
				  MHD_OPTION_CONNECTION_TIMEOUT, (unsigned int)SERVER_TIMEOUT_S,
				  MHD_OPTION_CONNECTION_MEMORY_LIMIT,
				  (size_t)SERVER_CONNECTION_MEMORY, MHD_OPTION_STRICT_FOR_CLIENT, 1,
				  MHD_OPTION_UNESCAPE_CALLBACK, server_unescape, NULL,
				  MHD_OPTION_ARRAY, tls, MHD_OPTION_END);
	if (!daemon) {
		errno = is_tls ? EKEYREJECTED : ENOMEM;
		return NULL;
	}
	epoll_ctl(s->epoll_fd, EPOLL_CTL_ADD,
		  MHD_get_daemon_info(daemon, MHD_DAEMON_INFO_EPOLL_FD)->epoll_fd, &ev);
	return daemon;
}

static int server_start(struct server *s, int fd)
{
	s->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
	if (s->epoll_fd < 0)
		return -errno;
	s->daemon = start_daemon(s, s->web, fd);
	if (s->daemon)
		return 0;
	close(s->epoll_fd);
	return -errno;
}

int server_open(struct server **out, const char *addr, uint16_t port,
		const struct status_source *source, struct web_config *web, char *err, size_t size)
{
	const struct addrinfo hints = { .ai_socktype = SOCK_STREAM, .ai_flags = AI_PASSIVE };
	struct addrinfo *found = NULL;
	struct server *s = NULL;
	char service[8];
	int res, fd;

	snprintf(service, sizeof(service), "%u", port);
	res = getaddrinfo(addr, service, &hints, &found);
	if (res) {
		snprintf(err, size,
			 "cannot listen on %s: %s; --listen takes ADDR:PORT of this host", addr,
			 gai_strerror(res));
		return -EINVAL;
	}
	s = calloc(1, sizeof(*s));
	if (!s) {
		res = -ENOMEM;
		goto out;
	}
	s->source = *source;
	s->web = web;
	res = fd = server_listen(s, found);
	if (res >= 0)
		res = server_start(s, fd);
out:
	freeaddrinfo(found);
	if (res == 0) {
		*out = s;
		return 0;
	}
	if (res == -EKEYREJECTED)
		snprintf(err, size, "--web-config: no TLS with this certificate and key");
	else
		snprintf(err, size,
			 "cannot listen on %s port %u: %s; choose another with --listen ADDR:PORT, "
			 "or "
			 "--listen off",
			 addr, port, strerror(-res));
	free(s);
	return res;
}

void server_close(struct server *s)
{
	if (!s)
		return;
	if (s->old)
		MHD_stop_daemon(s->old);
	MHD_stop_daemon(s->daemon);
	close(s->epoll_fd);
	free(s);
}

/* The library has its certificate for life: another daemon takes the socket over, and the one of
 * before has the time that an answer may take. */
int server_renew(struct server *s, struct web_config *web, char *err, size_t size)
{
	int fd = MHD_quiesce_daemon(s->daemon);
	struct MHD_Daemon *daemon;

	if (fd == MHD_INVALID_SOCKET) {
		snprintf(err, size, "the listening socket cannot be taken over");
		return -EBUSY;
	}
	daemon = start_daemon(s, web, fd);
	if (!daemon) {
		snprintf(err, size, "no TLS with this certificate and key");
		daemon = start_daemon(s, s->web, fd); /* as it has been until now */
		web = s->web;
	}
	if (!daemon) {
		close(fd);
		return -ENOMEM;
	}
	if (s->old)
		MHD_stop_daemon(s->old);
	s->old = s->daemon;
	s->old_end_ns = clock_mono_ns() + SERVER_TIMEOUT_S * NS_PER_S;
	s->daemon = daemon;
	if (web == s->web)
		return -EKEYREJECTED;
	s->web = web;
	return 0;
}

int server_adopt(struct server *s, int fd)
{
	struct sockaddr_storage peer = { 0 };
	socklen_t n = sizeof(peer);

	if (getpeername(fd, (struct sockaddr *)&peer, &n) < 0)
		return -errno;
	return MHD_add_connection(s->daemon, fd, (struct sockaddr *)&peer, n) == MHD_YES ? 0
											 : -errno;
}

uint16_t server_port(const struct server *s)
{
	return s->port;
}

int server_epoll_fd(const struct server *s)
{
	return s->epoll_fd;
}

static int timeout_ms(struct MHD_Daemon *daemon)
{
	unsigned long long ms;

	if (MHD_get_timeout(daemon, &ms) != MHD_YES)
		return -1;
	return ms < 60000 ? (int)ms : 60000;
}

int server_timeout_ms(const struct server *s)
{
	int ms = timeout_ms(s->daemon), old = s->old ? timeout_ms(s->old) : -1;

	return old < 0 || (ms >= 0 && ms < old) ? ms : old;
}

static void run_daemon(struct MHD_Daemon *daemon)
{
	/* edge triggered inside: what is left to do shows in the timeout, not in the descriptor */
	for (int i = 0; i < SERVER_RUNS; i++) {
		MHD_run(daemon);
		if (timeout_ms(daemon) != 0)
			break;
	}
}

void server_run(struct server *s)
{
	run_daemon(s->daemon);
	if (!s->old)
		return;
	run_daemon(s->old);
	if (MHD_get_daemon_info(s->old, MHD_DAEMON_INFO_CURRENT_CONNECTIONS)->num_connections &&
	    clock_mono_ns() < s->old_end_ns)
		return;
	MHD_stop_daemon(s->old);
	s->old = NULL;
}
