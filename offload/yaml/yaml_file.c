/* SPDX-License-Identifier: BSD-2-Clause */
#include "yaml_file.h"

#include <cyaml/cyaml.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* libcyaml's first complaint: only what our own checks do not know comes from there. */
static void keep_first(cyaml_log_t level, void *ctx, const char *format, va_list args)
{
	struct inlay_yaml_complaint *c = ctx;

	if (level < CYAML_LOG_ERROR || *c->text)
		return;
	vsnprintf(c->text, sizeof(c->text), format, args);
	c->text[strcspn(c->text, "\n")] = '\0';
}

static int load_values(const char *text, size_t len, const struct cyaml_schema_value *schema,
		       void **ret_raw, struct inlay_yaml_complaint *complaint)
{
	const cyaml_config_t cyaml = {
		.log_fn = keep_first,
		.log_ctx = complaint,
		.log_level = CYAML_LOG_ERROR,
		.mem_fn = cyaml_mem,
		.flags = CYAML_CFG_NO_ALIAS,
	};
	cyaml_err_t err;

	err = cyaml_load_data((const uint8_t *)text, len, &cyaml, schema, ret_raw, NULL);
	if (err == CYAML_OK)
		return 0;
	if (!*complaint->text)
		snprintf(complaint->text, sizeof(complaint->text), "%s", cyaml_strerror(err));
	return err == CYAML_ERR_OOM ? -ENOMEM : -EINVAL;
}

int inlay_yaml_load(const char *text, size_t len, const struct inlay_yaml_schema *options,
		    const struct cyaml_schema_value *schema, void **ret_raw,
		    struct inlay_yaml_index *ret_index, struct inlay_yaml_complaint *ret_complaint)
{
	struct inlay_yaml_error error = {0};
	struct inlay_yaml_index index;
	void *raw = NULL;
	int ret = inlay_yaml_index_new(text, len, &index, &error);

	if (ret) {
		ret_complaint->line = error.line;
		snprintf(ret_complaint->text, sizeof(ret_complaint->text), "%s",
			 ret == -ENOMEM ? "out of memory" : error.text);
		return ret;
	}
	ret = inlay_yaml_check(options, &index, ret_complaint);
	if (!ret)
		ret = load_values(text, len, schema, &raw, ret_complaint);
	if (ret) {
		inlay_yaml_index_fini(&index);
		return ret;
	}
	*ret_raw = raw;
	*ret_index = index;
	return 0;
}

void inlay_yaml_unload(const struct cyaml_schema_value *schema, void *raw)
{
	const cyaml_config_t cyaml = {.mem_fn = cyaml_mem};

	cyaml_free(&cyaml, schema, raw, 0);
}

/* A value that a message quotes may hold line breaks, and whatever a terminal obeys. */
static void make_one_line(char *text)
{
	for (; *text; text++)
		if ((unsigned char)*text < ' ' || *text == 0x7f)
			*text = ' ';
}

void inlay_yaml_describe(const char *name, const struct inlay_yaml_complaint *complaint, char *err,
			 size_t room)
{
	if (complaint->line)
		snprintf(err, room, "%.120s:%u: %s", name, complaint->line, complaint->text);
	else
		snprintf(err, room, "%.120s: %s", name, complaint->text);
	make_one_line(err);
}

static ssize_t read_all(int fd, char *text, size_t room)
{
	size_t len = 0;

	while (len < room) {
		ssize_t n = read(fd, text + len, room - len);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -errno;
		if (!n)
			break;
		len += (size_t)n;
	}
	return (ssize_t)len;
}

int inlay_yaml_read(const char *file, char **ret_text, size_t *ret_len)
{
	char *text = malloc(INLAY_YAML_MAX_BYTES + 1); /* one more shows that it is too large */
	int fd = open(file, O_RDONLY | O_CLOEXEC);
	ssize_t len = fd < 0 ? -errno : -ENOMEM;

	if (text && fd >= 0)
		len = read_all(fd, text, INLAY_YAML_MAX_BYTES + 1);
	if (fd >= 0)
		close(fd);
	if (len < 0) {
		free(text);
		return (int)len;
	}
	*ret_text = text;
	*ret_len = (size_t)len;
	return 0;
}
