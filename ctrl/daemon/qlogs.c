/* SPDX-License-Identifier: BSD-2-Clause */
#include "qlogs.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "log.h"

int inlay_qlogs_init(struct inlay_qlogs *q, const struct inlay_config *config)
{
	*q = (struct inlay_qlogs){
		.dirfd = -1,
		.all = config->qlog.connections == INLAY_QLOG_ALL,
		.max_bytes = (__u64)config->qlog.max_bytes,
		.max_files = (__u32)config->qlog.max_files,
	};
	if (!*config->qlog.directory)
		return 0;
	q->dirfd = open(config->qlog.directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (q->dirfd < 0)
		return -errno;
	return faccessat(q->dirfd, ".", W_OK | X_OK, AT_EACCESS) ? -errno : 0;
}

void inlay_qlogs_fini(struct inlay_qlogs *q)
{
	if (q->dirfd >= 0)
		close(q->dirfd);
	q->dirfd = -1;
}

static void on_error(void *user, const char *file, int err)
{
	inlay_log(INLAY_LOG_WARNING, "qlog %s ends here: %s", file, strerror(err));
}

static void on_end(void *user)
{
	struct inlay_qlogs *q = user;

	q->n_open--;
	q->told_full = false;
}

int inlay_qlogs_start(struct inlay_qlogs *q, struct inlay_ep_conn *c, inlay_ns now,
		      char ret_file[INLAY_QLOG_NAME])
{
	struct inlay_ep_conn_info info;
	struct inlay_qlog_config config = {
		.dirfd = q->dirfd,
		.max_bytes = q->max_bytes,
		.name = "inlayd",
		.on_error = on_error,
		.on_end = on_end,
		.user = q,
	};
	int ret;

	if (q->dirfd < 0)
		return -ENOTSUP;
	if (q->n_open >= q->max_files)
		return -EMFILE;
	inlay_ep_conn_info(c, &info);
	config.number = info.number;
	config.role = info.role;
	ret = inlay_qlog_start(&config, inlay_ep_conn_get(c), now, ret_file);
	if (!ret)
		q->n_open++;
	return ret;
}

int inlay_qlogs_stop(struct inlay_ep_conn *c, inlay_ns now)
{
	if (!inlay_conn_has_trace(inlay_ep_conn_peek(c)))
		return -EALREADY;
	inlay_conn_set_trace(inlay_ep_conn_get(c), NULL, NULL, now);
	return 0;
}

void inlay_qlogs_on_connection(struct inlay_qlogs *q, struct inlay_ep_conn *c, inlay_ns now)
{
	char file[INLAY_QLOG_NAME];
	int ret;

	if (!q->all)
		return;
	ret = inlay_qlogs_start(q, c, now, file);
	/* Connections may come by the thousand: one line for each time that it begins to fail. */
	if (ret && !q->told_full)
		inlay_log(INLAY_LOG_WARNING, "a connection goes without qlog: %s",
			  ret == -EMFILE ? "qlog.max_files are open" : strerror(-ret));
	q->told_full = ret != 0;
}
