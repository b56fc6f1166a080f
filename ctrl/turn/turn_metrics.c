/* SPDX-License-Identifier: BSD-2-Clause */
#include "turn_metrics.h"

#include <errno.h>
#include <microhttpd.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "turn_daemon_impl.h"

#define CONNECTIONS 16 /* at one time */
#define TIMEOUT_S   10 /* of one that does nothing */

struct inlay_turn_metrics {
	struct MHD_Daemon *http;
	const struct inlay_turn_daemon *daemon;
	struct inlay_loop *loop;
	struct inlay_watch watch;
};

/* --- The text --------------------------------------------------------------------------------- */

static void describe(FILE *f, const char *name, const char *type, const char *help)
{
	fprintf(f, "# HELP inlay_turn_%s %s\n# TYPE inlay_turn_%s %s\n", name, help, name, type);
}

static void put(FILE *f, const char *name, const char *type, const char *help, __u64 value)
{
	describe(f, name, type, help);
	fprintf(f, "inlay_turn_%s %llu\n", name, (unsigned long long)value);
}

static void put_relayed(FILE *f, const struct inlay_turn_totals *t)
{
	describe(f, "relayed_packets_total", "counter", "Packets that went fast.");
	fprintf(f, "inlay_turn_relayed_packets_total{direction=\"to_peer\"} %llu\n",
		(unsigned long long)t->to_peer_packets);
	fprintf(f, "inlay_turn_relayed_packets_total{direction=\"to_client\"} %llu\n",
		(unsigned long long)t->to_client_packets);
	describe(f, "relayed_bytes_total", "counter",
		 "Application data that went fast, without ChannelData's header.");
	fprintf(f, "inlay_turn_relayed_bytes_total{direction=\"to_peer\"} %llu\n",
		(unsigned long long)t->to_peer_bytes);
	fprintf(f, "inlay_turn_relayed_bytes_total{direction=\"to_client\"} %llu\n",
		(unsigned long long)t->to_client_bytes);
	put(f, "allocations", "gauge", "Allocations with a fast channel.", t->allocations);
	put(f, "channels", "gauge", "Channels that are fast.", t->channels);
	put(f, "watched_channels", "gauge",
	    "Channels whose relaying by the server was not seen yet.", t->watched);
}

static void put_reasons(FILE *f, const struct inlay_turn_daemon *d)
{
	struct inlay_reason_counters counts;

	inlay_turn_reasons(d->turn, &counts);
	describe(
		f, "not_relayed_packets_total", "counter",
		"Packets that a program left alone, or dropped, by reason. TC relays some that XDP "
		"left.");
	for (__u32 i = 0; i < INLAY_N_REASONS; i++)
		if (inlay_turn_daemon_is_reason(i))
			fprintf(f, "inlay_turn_not_relayed_packets_total{reason=\"%s\"} %llu\n",
				inlay_reason_name(i), (unsigned long long)counts.count[i]);
}

static void put_learnt(FILE *f, const struct inlay_turn_daemon *d)
{
	struct inlay_turn_learner_counts c;

	inlay_turn_learner_counts(d->learner, &c);
	describe(f, "responses_total", "counter", "Responses of the server's, by what they were.");
	fprintf(f, "inlay_turn_responses_total{result=\"success\"} %llu\n",
		(unsigned long long)c.successes);
	fprintf(f, "inlay_turn_responses_total{result=\"error\"} %llu\n",
		(unsigned long long)c.errors);
	fprintf(f, "inlay_turn_responses_total{result=\"unmatched\"} %llu\n",
		(unsigned long long)c.unmatched);
	put(f, "requests_total", "counter", "Requests of clients'.", c.requests);
	put(f, "poisoned_total", "counter",
	    "Requests whose answer is not believed: another bore the same transaction ID.",
	    c.poisoned);
	put(f, "malformed_total", "counter", "Control messages that are not well formed.",
	    c.malformed);
	put(f, "proven_channels_total", "counter", "Channels that became fast.", c.proven);
	put(f, "conflicts_total", "counter",
	    "Doubts that left an allocation, or put it back, with the server.", c.conflicts);
	put(f, "events_lost_total", "counter",
	    "Control messages that found no room on their way to inlay-turn.", c.lost);
}

char *inlay_turn_metrics_text(const struct inlay_turn_daemon *d)
{
	struct inlay_turn_totals totals;
	char *text = NULL;
	size_t len;
	FILE *f = open_memstream(&text, &len);

	if (!f)
		return NULL;
	inlay_turn_totals(d->turn, &totals);
	describe(f, "info", "gauge", "Version and mode.");
	fprintf(f, "inlay_turn_info{version=\"%s\",mode=\"%s\"} 1\n", INLAY_VERSION,
		inlay_turn_daemon_mode_name(d->mode));
	put_relayed(f, &totals);
	put_reasons(f, d);
	put_learnt(f, d);
	if (fclose(f)) {
		free(text);
		return NULL;
	}
	return text;
}

/* --- HTTP ------------------------------------------------------------------------------------- */

static enum MHD_Result respond(struct MHD_Connection *connection, unsigned int code, char *text,
			       enum MHD_ResponseMemoryMode memory)
{
	struct MHD_Response *r =
		text ? MHD_create_response_from_buffer(strlen(text), text, memory) : NULL;
	enum MHD_Result ret;

	if (!r) {
		if (memory == MHD_RESPMEM_MUST_FREE)
			free(text);
		return MHD_NO;
	}
	MHD_add_response_header(r, MHD_HTTP_HEADER_CONTENT_TYPE,
				"text/plain; version=0.0.4; charset=utf-8");
	if (code == MHD_HTTP_METHOD_NOT_ALLOWED)
		MHD_add_response_header(r, MHD_HTTP_HEADER_ALLOW, "GET, HEAD");
	ret = MHD_queue_response(connection, code, r);
	MHD_destroy_response(r);
	return ret;
}

static enum MHD_Result request(void *user, struct MHD_Connection *connection, const char *url,
			       const char *method, const char *version, const char *upload,
			       size_t *upload_len, void **state)
{
	static char elsewhere[] = "see /metrics\n", reading_only[] = "GET only\n";
	const struct inlay_turn_metrics *m = user;

	if (strcmp(method, MHD_HTTP_METHOD_GET) && strcmp(method, MHD_HTTP_METHOD_HEAD))
		return respond(connection, MHD_HTTP_METHOD_NOT_ALLOWED, reading_only,
			       MHD_RESPMEM_PERSISTENT);
	if (strcmp(url, "/metrics"))
		return respond(connection, MHD_HTTP_NOT_FOUND, elsewhere, MHD_RESPMEM_PERSISTENT);
	return respond(connection, MHD_HTTP_OK, inlay_turn_metrics_text(m->daemon),
		       MHD_RESPMEM_MUST_FREE);
}

static void http_ready(void *user, __u32 events)
{
	struct inlay_turn_metrics *m = user;

	MHD_run(m->http);
}

inlay_ns inlay_turn_metrics_turn(struct inlay_turn_metrics *m, inlay_ns now)
{
	MHD_UNSIGNED_LONG_LONG ms;

	MHD_run(m->http);
	return MHD_get_timeout(m->http, &ms) == MHD_YES ? now + ms * INLAY_MS : INLAY_NEVER;
}

/* --- Making ----------------------------------------------------------------------------------- */

int inlay_turn_metrics_listen(const struct inlay_addr *addr, int *ret_fd)
{
	struct sockaddr_in v4 = {.sin_family = AF_INET, .sin_port = addr->port};
	struct sockaddr_in6 v6 = {.sin6_family = AF_INET6, .sin6_port = addr->port};
	bool is_v6 = addr->family == AF_INET6;
	int fd, ret = 0, one = 1;

	memcpy(&v4.sin_addr, addr->ip, sizeof(v4.sin_addr));
	memcpy(&v6.sin6_addr, addr->ip, sizeof(v6.sin6_addr));
	fd = socket(addr->family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0)
		return -errno;
	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
	if (bind(fd, is_v6 ? (struct sockaddr *)&v6 : (struct sockaddr *)&v4,
		 is_v6 ? sizeof(v6) : sizeof(v4)) ||
	    listen(fd, CONNECTIONS))
		ret = -errno;
	if (ret)
		close(fd);
	else
		*ret_fd = fd;
	return ret;
}

static int watch_http(struct inlay_turn_metrics *m)
{
	const union MHD_DaemonInfo *info = MHD_get_daemon_info(m->http, MHD_DAEMON_INFO_EPOLL_FD);

	if (!info)
		return -EIO;
	m->watch = (struct inlay_watch){info->epoll_fd, http_ready, m};
	return inlay_loop_watch(m->loop, &m->watch, EPOLLIN);
}

int inlay_turn_metrics_new(struct inlay_loop *loop, int fd, const struct inlay_turn_daemon *d,
			   struct inlay_turn_metrics **ret_metrics)
{
	struct inlay_turn_metrics *m = calloc(1, sizeof(*m));
	int ret;

	if (!m) {
		close(fd);
		return -ENOMEM;
	}
	m->daemon = d;
	m->loop = loop;
	m->watch.fd = -1;
	m->http = MHD_start_daemon(
		MHD_USE_EPOLL, 0, NULL, NULL, request, m, MHD_OPTION_LISTEN_SOCKET, (MHD_socket)fd,
		MHD_OPTION_CONNECTION_LIMIT, (unsigned int)CONNECTIONS,
		MHD_OPTION_CONNECTION_TIMEOUT, (unsigned int)TIMEOUT_S, MHD_OPTION_END);
	if (!m->http) {
		close(fd);
		free(m);
		return -EIO;
	}
	ret = watch_http(m);
	if (ret) {
		m->watch.fd = -1;
		inlay_turn_metrics_free(m);
		return ret;
	}
	*ret_metrics = m;
	return 0;
}

void inlay_turn_metrics_free(struct inlay_turn_metrics *m)
{
	if (!m)
		return;
	if (m->watch.fd >= 0)
		inlay_loop_unwatch(m->loop, &m->watch);
	MHD_stop_daemon(m->http);
	free(m);
}
