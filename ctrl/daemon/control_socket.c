/* SPDX-License-Identifier: BSD-2-Clause */
#include "control_socket.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#define LENGTH_BYTES 4

struct client {
	struct inlay_control *control;
	struct inlay_watch watch; /* fd -1: the place is free */
	__u64 age;		  /* lower: older */
	char in[LENGTH_BYTES + INLAY_CONTROL_REQUEST_MAX];
	size_t in_len;
	char *out; /* an answer being written; no request is looked at meanwhile */
	size_t out_len, out_at;
	bool close_after;
};

struct inlay_control {
	struct inlay_loop *loop;
	const struct inlay_control_command *commands;
	void *user;
	struct inlay_watch listener;
	int spare_fd; /* see turn_away() */
	struct sockaddr_un name;
	bool bound;
	__u64 ages;
	struct client clients[INLAY_CONTROL_CLIENTS];
};

/* --- Requests and answers --------------------------------------------------------------------- */

static json_t *error_answer(const char *text)
{
	return json_pack("{s:i, s:b, s:s}", "version", INLAY_CONTROL_VERSION, "ok", 0, "error",
			 text);
}

static json_t *unknown_command(const struct inlay_control_command *commands)
{
	char text[512] = "no such command; there are: ";

	for (const struct inlay_control_command *c = commands; c->name; c++) {
		size_t len = strlen(text);

		snprintf(text + len, sizeof(text) - len, "%s%s", c == commands ? "" : ", ",
			 c->name);
	}
	return error_answer(text);
}

static json_t *carry_out(const json_t *request, const struct inlay_control_command *commands,
			 void *user)
{
	const struct inlay_control_command *command = commands;
	const char *error = "no memory", *name = NULL;
	json_t *result;
	int version = 0;

	if (json_unpack((json_t *)request, "{s:i, s:s}", "version", &version, "command", &name))
		return error_answer(
			"a request wants the members version (number) and command (text)");
	if (version != INLAY_CONTROL_VERSION)
		return error_answer("this daemon speaks version 1 of the control protocol");
	while (command->name && strcmp(command->name, name))
		command++;
	if (!command->name)
		return unknown_command(commands);
	result = command->answer(user, request, &error);
	if (!result)
		return error_answer(error);
	return json_pack("{s:i, s:b, s:o}", "version", INLAY_CONTROL_VERSION, "ok", 1, "result",
			 result);
}

char *inlay_control_answer(const char *request, size_t len,
			   const struct inlay_control_command *commands, void *user,
			   bool *ret_close)
{
	json_t *parsed = json_loadb(request, len, JSON_REJECT_DUPLICATES, NULL);
	json_t *answer;
	char *text;

	*ret_close = !json_is_object(parsed);
	answer = *ret_close ? error_answer("not a JSON object") : carry_out(parsed, commands, user);
	text = answer ? json_dumps(answer, JSON_COMPACT) : NULL;
	json_decref(parsed);
	json_decref(answer);
	return text;
}

/* --- Clients ---------------------------------------------------------------------------------- */

static void drop(struct client *c)
{
	if (c->watch.fd < 0)
		return;
	inlay_loop_unwatch(c->control->loop, &c->watch);
	close(c->watch.fd);
	c->watch.fd = -1;
	free(c->out);
	c->out = NULL;
}

/* False: the client was dropped. */
static bool answer(struct client *c, char *text, bool close_after)
{
	size_t len = text ? strlen(text) : 0;
	__be32 prefix = htonl((__u32)len);

	c->out = text && len <= INLAY_CONTROL_ANSWER_MAX ? malloc(LENGTH_BYTES + len) : NULL;
	if (c->out) {
		memcpy(c->out, &prefix, LENGTH_BYTES);
		memcpy(c->out + LENGTH_BYTES, text, len);
		c->out_len = LENGTH_BYTES + len;
		c->out_at = 0;
		c->close_after = close_after;
	}
	free(text);
	if (!c->out)
		drop(c);
	return c->out != NULL;
}

/* True: there is an answer to write. */
static bool take_request(struct client *c)
{
	struct inlay_control *control = c->control;
	bool close_after;
	__be32 prefix;
	size_t len;
	char *text;

	if (c->in_len < LENGTH_BYTES)
		return false;
	memcpy(&prefix, c->in, LENGTH_BYTES);
	len = ntohl(prefix);
	if (!len || len > INLAY_CONTROL_REQUEST_MAX)
		return answer(c,
			      strdup("{\"version\":1,\"ok\":false,\"error\":\"a request has 1 to "
				     "4096 bytes\"}"),
			      true);
	if (c->in_len < LENGTH_BYTES + len)
		return false;
	text = inlay_control_answer(c->in + LENGTH_BYTES, len, control->commands, control->user,
				    &close_after);
	c->in_len -= LENGTH_BYTES + len;
	memmove(c->in, c->in + LENGTH_BYTES + len, c->in_len);
	return answer(c, text, close_after);
}

/* False: it would block, or the client was dropped. */
static bool write_answer(struct client *c)
{
	ssize_t n = send(c->watch.fd, c->out + c->out_at, c->out_len - c->out_at, MSG_NOSIGNAL);

	if (n < 0) {
		if (errno != EAGAIN && errno != EINTR)
			drop(c);
		return false;
	}
	c->out_at += (size_t)n;
	if (c->out_at < c->out_len)
		return true;
	free(c->out);
	c->out = NULL;
	if (c->close_after)
		drop(c);
	return c->watch.fd >= 0;
}

/* Goes on until more has to come, or the client must read first. */
static void serve(struct client *c)
{
	while (c->watch.fd >= 0) {
		if (c->out ? !write_answer(c) : !take_request(c))
			break;
	}
	if (c->watch.fd >= 0)
		inlay_loop_change(c->control->loop, &c->watch, c->out ? EPOLLOUT : EPOLLIN);
}

static void client_ready(void *user, __u32 events)
{
	struct client *c = user;
	ssize_t n;

	if (!c->out) {
		n = recv(c->watch.fd, c->in + c->in_len, sizeof(c->in) - c->in_len, 0);
		if (n == 0 || (n < 0 && errno != EAGAIN && errno != EINTR)) {
			drop(c);
			return;
		}
		if (n > 0)
			c->in_len += (size_t)n;
	}
	serve(c);
}

static struct client *free_place(struct inlay_control *control)
{
	struct client *oldest = &control->clients[0];

	for (size_t i = 0; i < INLAY_CONTROL_CLIENTS; i++) {
		struct client *c = &control->clients[i];

		if (c->watch.fd < 0)
			return c;
		if (c->age < oldest->age)
			oldest = c;
	}
	drop(oldest);
	return oldest;
}

/* No descriptor is left: the one kept for this takes the caller, who would be announced again and
 * again otherwise, and lets go of it. */
static void turn_away(struct inlay_control *control)
{
	int fd;

	if (control->spare_fd < 0)
		return;
	close(control->spare_fd);
	fd = accept4(control->listener.fd, NULL, NULL, SOCK_CLOEXEC);
	if (fd >= 0)
		close(fd);
	control->spare_fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
}

static void client_comes(void *user, __u32 events)
{
	struct inlay_control *control = user;
	int fd = accept4(control->listener.fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
	struct client *c;

	if (fd < 0 && (errno == EMFILE || errno == ENFILE))
		turn_away(control);
	if (fd < 0)
		return;
	c = free_place(control);
	*c = (struct client){.control = control, .age = control->ages++};
	c->watch = (struct inlay_watch){fd, client_ready, c};
	if (inlay_loop_watch(control->loop, &c->watch, EPOLLIN)) {
		close(fd);
		c->watch.fd = -1;
	}
}

/* --- The socket ------------------------------------------------------------------------------- */

/* Makes room where a daemon that is gone left its socket. 0: try again. */
static int remove_stale(const struct sockaddr_un *name)
{
	struct stat st;
	int fd, ret;

	if (lstat(name->sun_path, &st))
		return errno == ENOENT ? 0 : -errno;
	if (!S_ISSOCK(st.st_mode))
		return -EEXIST;
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0)
		return -errno;
	ret = connect(fd, (const struct sockaddr *)name, sizeof(*name)) ? -errno : 0;
	close(fd);
	/* EAGAIN: somebody listens, and has much to do. */
	if (!ret || ret == -EAGAIN)
		return -EADDRINUSE;
	if (ret != -ECONNREFUSED)
		return ret;
	return unlink(name->sun_path) && errno != ENOENT ? -errno : 0;
}

static int bind_socket(struct inlay_control *control)
{
	const struct sockaddr *name = (struct sockaddr *)&control->name;
	int fd = control->listener.fd, ret;

	/* The file takes over the socket's mode: nobody else ever sees it open. */
	if (fchmod(fd, 0600))
		return -errno;
	if (bind(fd, name, sizeof(control->name))) {
		if (errno != EADDRINUSE)
			return -errno;
		ret = remove_stale(&control->name);
		if (ret)
			return ret;
		if (bind(fd, name, sizeof(control->name)))
			return -errno;
	}
	control->bound = true;
	return listen(fd, INLAY_CONTROL_CLIENTS) ? -errno : 0;
}

static int set_up(struct inlay_control *control, const char *path)
{
	int fd, ret;

	if (!*path || strlen(path) >= sizeof(control->name.sun_path))
		return -ENAMETOOLONG;
	control->name.sun_family = AF_UNIX;
	memcpy(control->name.sun_path, path, strlen(path) + 1);
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0)
		return -errno;
	control->listener = (struct inlay_watch){fd, client_comes, control};
	ret = bind_socket(control);
	return ret ? ret : inlay_loop_watch(control->loop, &control->listener, EPOLLIN);
}

int inlay_control_new(struct inlay_loop *loop, const char *path,
		      const struct inlay_control_command *commands, void *user,
		      struct inlay_control **ret_control)
{
	struct inlay_control *control = calloc(1, sizeof(*control));
	int ret;

	if (!control)
		return -ENOMEM;
	control->loop = loop;
	control->commands = commands;
	control->user = user;
	control->listener.fd = -1;
	control->spare_fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
	for (size_t i = 0; i < INLAY_CONTROL_CLIENTS; i++)
		control->clients[i].watch.fd = -1;
	ret = set_up(control, path);
	if (ret) {
		inlay_control_free(control);
		return ret;
	}
	*ret_control = control;
	return 0;
}

void inlay_control_free(struct inlay_control *control)
{
	if (!control)
		return;
	for (size_t i = 0; i < INLAY_CONTROL_CLIENTS; i++)
		drop(&control->clients[i]);
	if (control->listener.fd >= 0) {
		inlay_loop_unwatch(control->loop, &control->listener);
		close(control->listener.fd);
	}
	if (control->bound)
		unlink(control->name.sun_path);
	if (control->spare_fd >= 0)
		close(control->spare_fd);
	free(control);
}
