/* SPDX-License-Identifier: BSD-2-Clause */
#include "qlog_file.h"

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

#define RECORD_START '\x1e'

int inlay_qlog_file_open(struct inlay_qlog_file *f, int dirfd, const char *name, __u64 max_bytes)
{
	f->fd = openat(dirfd, name, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
	if (f->fd < 0)
		return -errno;
	f->max_bytes = max_bytes;
	f->bytes = 0;
	f->used = 0;
	return 0;
}

/* Of the buffer |written| bytes are in the file, the last of them perhaps within a record. */
static void cut_to_whole_records(const struct inlay_qlog_file *f, size_t written)
{
	while (written && f->buffer[written - 1] != '\n')
		written--;
	if (ftruncate(f->fd, (off_t)(f->bytes - f->used + written)))
		return; /* then readers have to cope */
}

enum inlay_qlog_result inlay_qlog_file_flush(struct inlay_qlog_file *f)
{
	size_t at = 0;

	while (at < f->used) {
		ssize_t n = write(f->fd, f->buffer + at, f->used - at);

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0) {
			int err = errno;

			cut_to_whole_records(f, at);
			errno = err;
			f->used = 0;
			return INLAY_QLOG_FAILED;
		}
		at += (size_t)n;
	}
	f->used = 0;
	return INLAY_QLOG_OK;
}

enum inlay_qlog_result inlay_qlog_file_put(struct inlay_qlog_file *f, json_t *record,
					   size_t reserve)
{
	enum inlay_qlog_result result = INLAY_QLOG_OK;
	size_t len;

	if (f->used > INLAY_QLOG_BUFFER - INLAY_QLOG_RECORD_MAX)
		result = inlay_qlog_file_flush(f);
	if (result != INLAY_QLOG_OK || !record) {
		json_decref(record);
		errno = record ? errno : ENOMEM;
		return INLAY_QLOG_FAILED;
	}
	len = json_dumpb(record, f->buffer + f->used + 1, INLAY_QLOG_RECORD_MAX - 2,
			 JSON_COMPACT | JSON_REAL_PRECISION(15)); /* 17 digits show noise */
	json_decref(record);
	if (len == 0 || len > INLAY_QLOG_RECORD_MAX - 2) {
		errno = EMSGSIZE;
		return INLAY_QLOG_FAILED;
	}
	if (f->bytes + len + 2 + reserve > f->max_bytes)
		return INLAY_QLOG_FULL;
	f->buffer[f->used] = RECORD_START;
	f->buffer[f->used + 1 + len] = '\n';
	f->used += len + 2;
	f->bytes += len + 2;
	return INLAY_QLOG_OK;
}

void inlay_qlog_file_close(struct inlay_qlog_file *f)
{
	if (f->fd < 0)
		return;
	(void)inlay_qlog_file_flush(f);
	close(f->fd);
	f->fd = -1;
}
