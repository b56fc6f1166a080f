/* SPDX-License-Identifier: BSD-2-Clause */
/* See forwarding.h. */
#include "forwarding.h"

#include <fcntl.h>
#include <unistd.h>

static const char *const paths[] = {"/proc/sys/net/ipv4/conf/lo/forwarding",
				    "/proc/sys/net/ipv6/conf/lo/forwarding"};

static bool is_on(const char *path)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	char value = 0;
	bool on;

	if (fd < 0)
		return false;
	on = read(fd, &value, 1) == 1 && value != '0';
	close(fd);
	return on;
}

static bool put(const char *path, bool on)
{
	int fd = open(path, O_WRONLY | O_CLOEXEC);
	bool done;

	if (fd < 0)
		return false;
	done = write(fd, on ? "1" : "0", 1) == 1;
	close(fd);
	return done;
}

void inlay_turn_forwarding_init(struct inlay_turn_forwarding *f)
{
	for (size_t i = 0; i < INLAY_ARRAY_SIZE(paths); i++) {
		f->works[i] = is_on(paths[i]);
		f->changed[i] = !f->works[i] && put(paths[i], true);
		f->works[i] |= f->changed[i];
	}
}

void inlay_turn_forwarding_fini(struct inlay_turn_forwarding *f)
{
	for (size_t i = 0; i < INLAY_ARRAY_SIZE(paths); i++)
		if (f->changed[i])
			(void)put(paths[i], false);
	*f = (struct inlay_turn_forwarding){0};
}
