/* SPDX-License-Identifier: BSD-2-Clause */
#include "control_client.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>
#include <unistd.h>

#include "control_socket.h"

#define PATIENCE_S 5	  /* for an answer */
#define PAGES_MAX  100000 /* a daemon that never ends is not believed */

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
		complain(path, "no daemon answers there; is it running, and with this "
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

static json_t *request_for(const char *command, json_t *members)
{
	json_t *request =
		json_pack("{s:i, s:s}", "version", INLAY_CONTROL_VERSION, "command", command);

	if (request && members)
		json_object_update(request, members);
	json_decref(members);
	return request;
}

json_t *inlay_control_ask(const char *path, const char *command, json_t *members)
{
	json_t *request = request_for(command, members);
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

json_t *inlay_control_ask_all(const char *path, const char *command, const char *key,
			      json_t *members)
{
	json_t *all = json_array();
	json_int_t after = 0;
	bool more = true;

	if (!members)
		members = json_object();
	for (int page = 0; more && all && page < PAGES_MAX; page++) {
		json_t *answer, *list;
		size_t n;

		json_object_set_new(members, "after", json_integer(after));
		answer = inlay_control_ask(path, command, json_incref(members));
		list = json_object_get(answer, command);
		n = json_array_size(list);
		more = json_is_true(json_object_get(answer, "more")) && n > 0;
		if (!answer || json_array_extend(all, list)) {
			json_decref(all);
			all = NULL;
		}
		after = key ? inlay_control_number(json_array_get(all, json_array_size(all) - 1),
						   key)
			    : (json_int_t)json_array_size(all);
		json_decref(answer);
	}
	json_decref(members);
	return all;
}

int inlay_control_show(json_t *answer, bool json, void (*print)(FILE *f, const json_t *answer))
{
	if (!answer)
		return INLAY_EXIT_FAILED;
	if (json) {
		json_dumpf(answer, stdout, JSON_INDENT(2));
		putchar('\n');
	} else {
		print(stdout, answer);
	}
	json_decref(answer);
	return 0;
}

json_int_t inlay_control_number(const json_t *o, const char *name)
{
	return json_integer_value(json_object_get(o, name));
}

const char *inlay_control_text(const json_t *o, const char *name)
{
	const char *value = json_string_value(json_object_get(o, name));

	return value ? value : "?";
}
