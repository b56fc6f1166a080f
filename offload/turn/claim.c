/* SPDX-License-Identifier: BSD-2-Clause */
/* See claim.h. */
#include "claim.h"

#include <errno.h>
#include <stddef.h>
#include <stdio.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

static const struct sockaddr_un name = {.sun_family = AF_UNIX, .sun_path = "\0libinlay-turn"};

enum { NAME_LEN = offsetof(struct sockaddr_un, sun_path) + sizeof("\0libinlay-turn") - 1 };

/* 0: not known. */
static pid_t holder(void)
{
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	struct ucred who = {0};
	socklen_t len = sizeof(who);

	if (fd < 0)
		return 0;
	if (connect(fd, (const struct sockaddr *)&name, NAME_LEN) ||
	    getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &who, &len))
		who.pid = 0;
	close(fd);
	return who.pid;
}

static void say_who(const struct inlay_turn_error *error)
{
	pid_t pid = holder();
	char who[32] = "";

	if (pid > 0)
		snprintf(who, sizeof(who), " (process %d)", (int)pid);
	inlay_turn_say(error,
		       "another inlay-turn, or program with libinlay-turn, serves this network "
		       "namespace%s: end it first",
		       who);
}

int inlay_turn_claim(int *ret_fd, const struct inlay_turn_error *error)
{
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0), err = 0;

	if (fd < 0)
		return -errno;
	/* It listens to be asked who it is; nobody is let in. */
	if (bind(fd, (const struct sockaddr *)&name, NAME_LEN) || listen(fd, SOMAXCONN))
		err = -errno;
	if (!err) {
		*ret_fd = fd;
		return 0;
	}
	close(fd);
	if (err != -EADDRINUSE)
		return err;
	say_who(error);
	return -EBUSY;
}
