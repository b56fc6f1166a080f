/* SPDX-License-Identifier: BSD-2-Clause */
/* inlayctl: asks a running inlayd over its control socket (ctrl/daemon/control_socket.h). */
#include <arpa/inet.h>
#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>
#include <unistd.h>

#include "config.h"
#include "control_socket.h"
#include "doctor.h"

#define EXIT_FAILED 1
#define EXIT_USAGE  2
#define PATIENCE_S  5 /* for an answer */

static const char usage[] =
	"usage: inlayctl [--socket PATH] COMMAND\n"
	"\n"
	"Asks a running inlayd.\n"
	"\n"
	"  status [--json]  what it does: connections, tracks, packets, drops by reason\n"
	"  doctor [--config FILE] [--json]\n"
	"                   asks no inlayd: what this host offers it and lacks, with the fix\n"
	"\n"
	"  --socket PATH    its control_socket, if not the default\n"
	"  --version        print the version, and end\n"
	"  --help           print this, and end\n"
	"\n"
	"Exit codes: 0 done, 1 failed or lacking, 2 usage.\n";

/* --- Talking -----------------------------------------------------------------------------------
 */

static int complain(const char *path, const char *what)
{
	fprintf(stderr, "inlayctl: %s: %s\n", path, what);
	return -1;
}

/* -1: said why. */
static int dial(const char *path)
{
	const struct timeval patience = {.tv_sec = PATIENCE_S};
	struct sockaddr_un name = {.sun_family = AF_UNIX};
	int fd;

	if (strlen(path) >= sizeof(name.sun_path))
		return complain(path, "no socket can have such a path");
	memcpy(name.sun_path, path, strlen(path) + 1);
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return complain(path, strerror(errno));
	setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience));
	setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof(patience));
	if (!connect(fd, (struct sockaddr *)&name, sizeof(name)))
		return fd;
	if (errno == ENOENT || errno == ECONNREFUSED)
		complain(path, "no inlayd answers there; is it running, and with this "
			       "control_socket?");
	else
		complain(path, strerror(errno));
	close(fd);
	return -1;
}

static bool send_all(int fd, const void *data, size_t len)
{
	const char *at = data;

	while (len) {
		ssize_t n = send(fd, at, len, MSG_NOSIGNAL);

		if (n <= 0 && errno != EINTR)
			return false;
		if (n > 0) {
			at += n;
			len -= (size_t)n;
		}
	}
	return true;
}

static bool recv_all(int fd, void *data, size_t len)
{
	char *at = data;

	while (len) {
		ssize_t n = recv(fd, at, len, 0);

		if (n == 0 || (n < 0 && errno != EINTR))
			return false;
		if (n > 0) {
			at += n;
			len -= (size_t)n;
		}
	}
	return true;
}

static json_t *recv_answer(int fd)
{
	json_t *answer = NULL;
	__be32 prefix;
	size_t len;
	char *text;

	if (!recv_all(fd, &prefix, sizeof(prefix)))
		return NULL;
	len = ntohl(prefix);
	if (!len || len > INLAY_CONTROL_ANSWER_MAX)
		return NULL;
	text = malloc(len);
	if (text && recv_all(fd, text, len))
		answer = json_loadb(text, len, 0, NULL);
	free(text);
	return answer;
}

/* The result of |command|, to be released; NULL: said why. */
static json_t *ask(const char *path, const char *command)
{
	json_t *request =
		json_pack("{s:i, s:s}", "version", INLAY_CONTROL_VERSION, "command", command);
	char *text = request ? json_dumps(request, JSON_COMPACT) : NULL;
	json_t *answer = NULL, *result = NULL;
	const char *error = "no sensible answer";
	__be32 prefix;
	int fd;

	json_decref(request);
	fd = text ? dial(path) : complain(path, strerror(ENOMEM));
	if (fd >= 0) {
		prefix = htonl((__u32)strlen(text));
		if (send_all(fd, &prefix, sizeof(prefix)) && send_all(fd, text, strlen(text)))
			answer = recv_answer(fd);
		result = json_incref(json_object_get(answer, "result"));
		json_unpack(answer, "{s:s}", "error", &error);
		if (!result)
			complain(path, error);
		close(fd);
	}
	free(text);
	json_decref(answer);
	return result;
}

/* --- status ------------------------------------------------------------------------------------
 */

static json_int_t number(const json_t *o, const char *name)
{
	return json_integer_value(json_object_get(o, name));
}

static const char *text(const json_t *o, const char *name)
{
	const char *value = json_string_value(json_object_get(o, name));

	return value ? value : "?";
}

static void print_uptime(json_int_t ms)
{
	json_int_t s = ms / 1000;

	printf("%-14s", "uptime");
	if (s >= 86400)
		printf("%lld d ", (long long)(s / 86400));
	printf("%02lld:%02lld:%02lld\n", (long long)(s / 3600 % 24), (long long)(s / 60 % 60),
	       (long long)(s % 60));
}

static void print_listeners(const json_t *list)
{
	const json_t *one;
	size_t i;

	json_array_foreach(list, i, one)
		printf("%-14s%s\n", i ? "" : "listening on", json_string_value(one));
}

static void print_pair(const char *name, const json_t *o, const char *in, const char *out)
{
	printf("%-14s%lld received, %lld sent\n", name, (long long)number(o, in),
	       (long long)number(o, out));
}

static void print_resets(const json_t *resets)
{
	const char *name;
	json_t *value;
	bool any = false;

	json_object_foreach((json_t *)resets, name, value)
	{
		if (!json_integer_value(value))
			continue;
		printf("%s%lld %s", any ? ", " : "streams reset ",
		       (long long)json_integer_value(value), name);
		any = true;
	}
	if (any)
		putchar('\n');
}

static void print_drops(const json_t *drops)
{
	const json_t *one;
	size_t i;

	printf("%-14s", "drops");
	if (!json_array_size(drops))
		puts("none");
	json_array_foreach(drops, i, one)
		printf("%s%10lld  %-18s %s\n", i ? "              " : "",
		       (long long)number(one, "packets"), text(one, "reason"), text(one, "text"));
}

static void print_status(const json_t *s)
{
	const json_t *crypto = json_object_get(s, "crypto");

	printf("%-14sinlayd %s, process %lld\n", "version", text(s, "version"),
	       (long long)number(s, "pid"));
	print_uptime(number(s, "uptime_ms"));
	print_listeners(json_object_get(s, "listeners"));
	printf("%-14s%s, %s\n", "crypto", text(crypto, "provider"), text(crypto, "backend"));
	printf("%-14s%lld now, %lld handshakes in flight, %lld ever, %lld handshakes failed\n",
	       "connections", (long long)number(s, "connections"),
	       (long long)number(s, "handshakes"), (long long)number(s, "connections_established"),
	       (long long)number(s, "handshakes_failed"));
	printf("%-14s%lld, with %lld upstream subscriptions\n", "tracks",
	       (long long)number(s, "tracks"), (long long)number(s, "upstreams"));
	printf("%-14s%lld\n", "subscribers", (long long)number(s, "subscribers"));
	printf("%-14s%lld bytes\n", "cache", (long long)number(s, "cache_bytes"));
	print_pair("packets", s, "packets_received", "packets_sent");
	printf("%-14sof packets received: %lld in %lld; sent: %lld in %lld%s\n", "merged",
	       (long long)number(s, "gro_packets"), (long long)number(s, "gro_messages"),
	       (long long)number(s, "gso_packets"), (long long)number(s, "gso_messages"),
	       number(s, "gso_refused") ? "; then refused" : "");
	print_pair("bytes", s, "bytes_received", "bytes_sent");
	print_pair("objects", s, "objects_received", "objects_sent");
	print_resets(json_object_get(s, "stream_resets"));
	print_drops(json_object_get(s, "drops"));
}

static int run_status(const char *path, int argc, char **argv)
{
	bool json = argc == 1 && !strcmp(argv[0], "--json");
	json_t *status;

	if (argc > 1 || (argc == 1 && !json)) {
		fprintf(stderr, "inlayctl: status takes --json or nothing; see inlayctl --help\n");
		return EXIT_USAGE;
	}
	status = ask(path, "status");
	if (!status)
		return EXIT_FAILED;
	if (json) {
		json_dumpf(status, stdout, JSON_INDENT(2));
		putchar('\n');
	} else {
		print_status(status);
	}
	json_decref(status);
	return fflush(stdout) ? EXIT_FAILED : 0;
}

/* --- The command line --------------------------------------------------------------------------
 */

static const struct {
	const char *name;
	int (*run)(const char *path, int argc, char **argv);
} commands[] = {
	{"status", run_status},
	{"doctor", inlay_doctor_run},
};

static int run(const char *path, int argc, char **argv)
{
	if (!argc) {
		fputs(usage, stderr);
		return EXIT_USAGE;
	}
	for (size_t i = 0; i < INLAY_ARRAY_SIZE(commands); i++)
		if (!strcmp(commands[i].name, argv[0]))
			return commands[i].run(path, argc - 1, argv + 1);
	fprintf(stderr, "inlayctl: unknown command '%s'; see inlayctl --help\n", argv[0]);
	return EXIT_USAGE;
}

int main(int argc, char **argv)
{
	static const struct option table[] = {
		{"socket", required_argument, NULL, 's'},
		{"version", no_argument, NULL, 'v'},
		{"help", no_argument, NULL, 'h'},
		{0},
	};
	char default_path[INLAY_CONFIG_TEXT];
	const char *path = default_path;
	int option;

	inlay_config_default_socket(default_path);
	/* "+": what stands behind the command is the command's. */
	while ((option = getopt_long(argc, argv, "+:", table, NULL)) != -1) {
		switch (option) {
		case 's':
			path = optarg;
			break;
		case 'v':
			puts("inlayctl " INLAY_VERSION);
			return 0;
		case 'h':
			fputs(usage, stdout);
			return 0;
		default:
			fprintf(stderr, "inlayctl: '%s' %s; see inlayctl --help\n",
				argv[optind - 1], option == ':' ? "wants a value" : "is no option");
			return EXIT_USAGE;
		}
	}
	return run(path, argc - optind, argv + optind);
}
