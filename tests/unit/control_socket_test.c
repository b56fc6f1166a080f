/* SPDX-License-Identifier: BSD-2-Clause */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "control_socket.h"

static char dir[] = "/tmp/inlay-control-test-XXXXXX";
static char path[64];
static struct inlay_loop *loop;
static struct inlay_control *control;
static int commands;
static int fillers[64];
static size_t n_fillers;

static json_t *echo(void *user, const json_t *request, const char **ret_error)
{
	assert_ptr_equal(user, &commands);
	commands++;
	return json_deep_copy(request);
}

static json_t *large(void *user, const json_t *request, const char **ret_error)
{
	json_t *list = json_array();

	for (int i = 0; i < 100000; i++)
		json_array_append_new(list, json_integer(1000000 + i));
	return list;
}

static json_t *refuse(void *user, const json_t *request, const char **ret_error)
{
	commands++;
	*ret_error = "not today";
	return NULL;
}

static json_t *starve(void *user, const json_t *request, const char **ret_error)
{
	return NULL;
}

static const struct inlay_control_command table[] = {
	{"echo", echo}, {"large", large}, {"refuse", refuse}, {"starve", starve}, {0},
};

static int group_setup(void **state)
{
	assert_non_null(mkdtemp(dir));
	snprintf(path, sizeof(path), "%s/s", dir);
	return 0;
}

static int group_teardown(void **state)
{
	return rmdir(dir);
}

static int setup(void **state)
{
	commands = 0;
	assert_int_equal(inlay_loop_new(&loop), 0);
	assert_int_equal(inlay_control_new(loop, path, table, &commands, &control), 0);
	return 0;
}

static int teardown(void **state)
{
	inlay_control_free(control);
	inlay_loop_free(loop);
	assert_int_equal(access(path, F_OK), -1);
	return 0;
}

static void turn(void)
{
	for (int i = 0; i < 4; i++)
		inlay_loop_turn(loop, 0);
}

static int dial(void)
{
	struct sockaddr_un name = {.sun_family = AF_UNIX};
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	memcpy(name.sun_path, path, sizeof(path));
	assert_int_equal(connect(fd, (struct sockaddr *)&name, sizeof(name)), 0);
	return fd;
}

static void say_bytes(int fd, const void *data, size_t len)
{
	assert_int_equal(send(fd, data, len, MSG_NOSIGNAL), len);
}

static void say_len(int fd, __u32 len)
{
	__u32 prefix = htonl(len);

	say_bytes(fd, &prefix, 4);
}

static void say(int fd, const char *text)
{
	say_len(fd, (__u32)strlen(text));
	say_bytes(fd, text, strlen(text));
}

/* Reads what is there; turns the loop as long as more is to come. NULL: the connection ended. */
static json_t *hear(int fd)
{
	static char text[1 << 20];
	size_t have = 0, want = 4;
	__be32 prefix;
	ssize_t n;

	for (int turns = 0; have < want && turns < 1000; turns++) {
		turn();
		n = recv(fd, text + have, want - have, MSG_DONTWAIT);
		if (n == 0 || (n < 0 && errno == ECONNRESET))
			return NULL;
		if (n > 0)
			have += (size_t)n;
		if (have == 4 && want == 4) {
			memcpy(&prefix, text, 4);
			want = 4 + ntohl(prefix);
			assert_true(want <= sizeof(text));
		}
	}
	assert_int_equal(have, want);
	return json_loadb(text + 4, want - 4, 0, NULL);
}

static bool is_closed(int fd)
{
	char c;

	turn();
	return recv(fd, &c, 1, MSG_DONTWAIT) == 0;
}

/* Takes |answer| over. */
static void assert_error(json_t *answer, const char *needle)
{
	assert_non_null(answer);
	assert_true(json_is_false(json_object_get(answer, "ok")));
	assert_int_equal(json_integer_value(json_object_get(answer, "version")), 1);
	assert_non_null(strstr(json_string_value(json_object_get(answer, "error")), needle));
	json_decref(answer);
}

static void requests_are_answered_in_turn(void **state)
{
	int fd = dial();

	for (int i = 0; i < 3; i++) {
		json_t *answer;

		say(fd, "{\"version\":1,\"command\":\"echo\",\"more\":[1,2]}");
		answer = hear(fd);
		assert_non_null(answer);
		assert_true(json_is_true(json_object_get(answer, "ok")));
		assert_int_equal(
			json_array_size(json_object_get(json_object_get(answer, "result"), "more")),
			2);
		json_decref(answer);
	}
	close(fd);
	turn();
	assert_int_equal(commands, 3);
}

static void a_request_may_come_in_pieces_or_several_at_once(void **state)
{
	const char text[] = "{\"version\":1,\"command\":\"refuse\"}";
	int fd = dial();

	say_len(fd, sizeof(text) - 1);
	for (size_t i = 0; i < sizeof(text) - 1; i++) {
		assert_int_equal(commands, 0);
		say_bytes(fd, text + i, 1);
		turn();
	}
	assert_error(hear(fd), "not today");
	say(fd, text);
	say(fd, text);
	assert_error(hear(fd), "not today");
	assert_error(hear(fd), "not today");
	assert_int_equal(commands, 3);
	close(fd);
}

static void a_command_that_fails_says_why(void **state)
{
	int fd = dial();

	say(fd, "{\"version\":1,\"command\":\"starve\"}");
	assert_error(hear(fd), "no memory");
	say(fd, "{\"version\":1,\"command\":\"ech\"}");
	assert_error(hear(fd), "no such command; there are: echo, large, refuse, starve");
	assert_int_equal(commands, 0);
	close(fd);
}

static void a_large_answer_passes_a_slow_reader(void **state)
{
	int fd = dial(), other = dial();
	json_t *answer;

	say(fd, "{\"version\":1,\"command\":\"large\"}");
	turn();
	/* Which holds up nobody else. */
	say(other, "{\"version\":1,\"command\":\"x\"}");
	assert_error(hear(other), "no such command");
	answer = hear(fd);
	assert_int_equal(json_array_size(json_object_get(answer, "result")), 100000);
	json_decref(answer);
	close(fd);
	close(other);
}

static void breaches_are_told_and_end_the_connection(void **state)
{
	static const char *const bad[] = {"[]", "nonsense", "{\"version\":1",
					  "5",	"\xff\xff", "{\"version\":1,\"version\":1}"};
	int fd;

	for (size_t i = 0; i < INLAY_ARRAY_SIZE(bad); i++) {
		fd = dial();
		say(fd, bad[i]);
		assert_error(hear(fd), "not a JSON object");
		assert_true(is_closed(fd));
		close(fd);
	}
	for (__u32 i = 0; i < 3; i++) {
		static const __u32 lens[] = {0, INLAY_CONTROL_REQUEST_MAX + 1, 0xffffffff};

		fd = dial();
		say_len(fd, lens[i]);
		assert_error(hear(fd), "1 to 4096 bytes");
		assert_true(is_closed(fd));
		close(fd);
	}
	assert_int_equal(commands, 0);
}

static void wrong_members_are_told(void **state)
{
	static const char *const bad[] = {"{}", "{\"version\":1}", "{\"command\":\"echo\"}",
					  "{\"version\":\"1\",\"command\":\"echo\"}",
					  "{\"version\":1,\"command\":7}"};
	int fd = dial();

	for (size_t i = 0; i < INLAY_ARRAY_SIZE(bad); i++) {
		say(fd, bad[i]);
		assert_error(hear(fd), "version (number) and command (text)");
	}
	say(fd, "{\"version\":2,\"command\":\"echo\"}");
	assert_error(hear(fd), "version 1");
	assert_int_equal(commands, 0);
	close(fd);
}

static void clients_that_vanish_leave_nothing(void **state)
{
	int fd = dial();

	say_len(fd, 100);
	close(fd);
	turn();
	fd = dial();
	say(fd, "{\"version\":1,\"command\":\"large\"}");
	close(fd);
	turn();
	fd = dial();
	say(fd, "{\"version\":1,\"command\":\"x\"}");
	assert_error(hear(fd), "no such command");
	close(fd);
}

static void the_oldest_client_makes_room(void **state)
{
	int fds[INLAY_CONTROL_CLIENTS + 1];

	for (int i = 0; i <= INLAY_CONTROL_CLIENTS; i++) {
		fds[i] = dial();
		turn();
	}
	assert_true(is_closed(fds[0]));
	for (int i = 1; i <= INLAY_CONTROL_CLIENTS; i++) {
		say(fds[i], "{\"version\":1,\"command\":\"x\"}");
		assert_error(hear(fds[i]), "no such command");
	}
	for (int i = 0; i <= INLAY_CONTROL_CLIENTS; i++)
		close(fds[i]);
}

static void nobody_else_may_connect(void **state)
{
	struct stat st;

	assert_int_equal(stat(path, &st), 0);
	assert_int_equal(st.st_mode & 0777, 0600);
}

static void a_second_daemon_is_found_out(void **state)
{
	struct inlay_control *second;
	int fd;

	assert_int_equal(inlay_control_new(loop, path, table, &commands, &second), -EADDRINUSE);
	/* And has not hurt the first. */
	fd = dial();
	say(fd, "{\"version\":1,\"command\":\"x\"}");
	assert_error(hear(fd), "no such command");
	close(fd);
}

static void what_a_dead_daemon_left_is_removed(void **state)
{
	struct sockaddr_un name = {.sun_family = AF_UNIX};
	struct inlay_control *second;
	char stale[80];
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	snprintf(stale, sizeof(stale), "%s/stale", dir);
	memcpy(name.sun_path, stale, sizeof(stale));
	assert_int_equal(bind(fd, (struct sockaddr *)&name, sizeof(name)), 0);
	close(fd);
	assert_int_equal(inlay_control_new(loop, stale, table, &commands, &second), 0);
	inlay_control_free(second);
	assert_int_equal(access(stale, F_OK), -1);

	/* A file that is no socket stays. */
	close(open(stale, O_CREAT | O_WRONLY, 0600));
	assert_int_equal(inlay_control_new(loop, stale, table, &commands, &second), -EEXIST);
	assert_int_equal(unlink(stale), 0);
	assert_int_equal(inlay_control_new(loop, "", table, &commands, &second), -ENAMETOOLONG);
	assert_int_equal(inlay_control_new(loop, "/no/such/dir", table, &commands, &second),
			 -ENOENT);
}

/* --- The loop --------------------------------------------------------------------------------- */

static void deadlines_end_the_wait(void **state)
{
	inlay_ns start = inlay_loop_now();

	inlay_loop_turn(loop, start + 5 * INLAY_MS);
	assert_true(inlay_loop_now() >= start + 5 * INLAY_MS);
	inlay_loop_turn(loop, start); /* past: returns */
	inlay_loop_turn(loop, 0);
}

static void signals_are_counted(void **state)
{
	assert_int_equal(inlay_loop_signals(loop), 0);
	raise(SIGTERM);
	inlay_loop_turn(loop, INLAY_NEVER);
	assert_int_equal(inlay_loop_signals(loop), 1);
	raise(SIGINT);
	inlay_loop_turn(loop, INLAY_NEVER);
	assert_int_equal(inlay_loop_signals(loop), 2);
}

static struct inlay_watch pair[2];
static int calls;

static void unwatch_both(void *user, __u32 events)
{
	calls++;
	inlay_loop_unwatch(loop, &pair[0]);
	inlay_loop_unwatch(loop, &pair[1]);
}

static void what_is_unwatched_is_not_called(void **state)
{
	int fds[2][2];

	calls = 0;
	for (int i = 0; i < 2; i++) {
		assert_int_equal(pipe2(fds[i], O_CLOEXEC), 0);
		assert_int_equal(write(fds[i][1], "x", 1), 1);
		pair[i] = (struct inlay_watch){fds[i][0], unwatch_both, NULL};
		assert_int_equal(inlay_loop_watch(loop, &pair[i], EPOLLIN), 0);
	}
	inlay_loop_turn(loop, 0);
	inlay_loop_turn(loop, 0);
	assert_int_equal(calls, 1);
	for (int i = 0; i < 4; i++)
		close(fds[i / 2][i % 2]);
}

/* The listener must not be announced for ever: the caller is told by the connection's end. */
static void who_comes_when_no_descriptor_is_left_is_turned_away(void **state)
{
	struct sockaddr_un name = {.sun_family = AF_UNIX};
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	struct rlimit limit, none;
	char byte;

	memcpy(name.sun_path, path, sizeof(path));
	assert_int_equal(getrlimit(RLIMIT_NOFILE, &limit), 0);
	assert_int_equal(connect(fd, (struct sockaddr *)&name, sizeof(name)), 0);
	none = (struct rlimit){.rlim_cur = (rlim_t)fd, .rlim_max = limit.rlim_max};
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &none), 0);
	/* Descriptors below the limit are all in use. */
	for (int filler = dup(0); filler >= 0; filler = dup(0))
		fillers[n_fillers++] = filler;
	turn();
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &limit), 0);
	while (n_fillers)
		close(fillers[--n_fillers]);
	assert_int_equal(recv(fd, &byte, 1, MSG_DONTWAIT), 0);
	close(fd);
	fd = dial();
	turn();
	say(fd, "{\"version\":1,\"command\":\"echo\"}");
	turn();
	assert_int_equal(commands, 1);
	close(fd);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	static const struct CMUnitTest tests[] = {
		TEST(requests_are_answered_in_turn),
		TEST(a_request_may_come_in_pieces_or_several_at_once),
		TEST(a_command_that_fails_says_why),
		TEST(a_large_answer_passes_a_slow_reader),
		TEST(breaches_are_told_and_end_the_connection),
		TEST(wrong_members_are_told),
		TEST(clients_that_vanish_leave_nothing),
		TEST(the_oldest_client_makes_room),
		TEST(nobody_else_may_connect),
		TEST(a_second_daemon_is_found_out),
		TEST(what_a_dead_daemon_left_is_removed),
		TEST(deadlines_end_the_wait),
		TEST(signals_are_counted),
		TEST(what_is_unwatched_is_not_called),
		TEST(who_comes_when_no_descriptor_is_left_is_turned_away),
	};

	return cmocka_run_group_tests(tests, group_setup, group_teardown);
}
