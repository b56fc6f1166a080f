/* SPDX-License-Identifier: BSD-2-Clause */
/* Objects into devices, by libbpf. */
#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "netdev_impl.h"

/* The kernel keeps the end of a log that does not fit (since 6.4). */
#define LOG_ROOM (1 << 20)

/* What libbpf says of a failure, while it is caught; one thread at a time (netdev.h). */
static char *caught;
static size_t caught_room;

__attribute__((format(printf, 2, 0))) static int catch_words(enum libbpf_print_level level,
							     const char *format, va_list args)
{
	/* The first warning is the cause; what follows is its consequences. Device maps have no
	 * types for their keys and values: libbpf finds that out by trying. */
	if (level == LIBBPF_WARN && (!caught[0] || strstr(caught, "Retrying without BTF"))) {
		int n = vsnprintf(caught, caught_room, format, args);

		if (n > 0 && (size_t)n < caught_room && caught[n - 1] == '\n')
			caught[n - 1] = 0;
	}
	return 0;
}

/* The last lines of |log| that fit, without the verifier's statistics. */
static void keep_end(const char *log, char *dst, size_t room)
{
	size_t end = strlen(log), begin;
	const char *statistics = strstr(log, "\nprocessed ");

	if (statistics)
		end = (size_t)(statistics - log);
	while (end && log[end - 1] == '\n')
		end--;
	begin = end > room - 1 ? end - (room - 1) : 0;
	/* Few lines, and none that is cut. */
	for (size_t at = end, lines = 0; at > begin; at--) {
		if (log[at - 1] == '\n' && ++lines == 6) {
			begin = at;
			break;
		}
	}
	snprintf(dst, room, "%.*s", (int)(end - begin), log + begin);
}

/* The program to load, the others being left out; NULL: there is none, or it is not said which. */
static struct bpf_program *choose(struct bpf_object *object, const char *name)
{
	struct bpf_program *program, *chosen = NULL;
	size_t n = 0;

	bpf_object__for_each_program(program, object)
	{
		bool wanted = !name || !strcmp(bpf_program__name(program), name);

		bpf_program__set_autoload(program, wanted);
		if (wanted) {
			chosen = program;
			n++;
		}
	}
	return n == 1 ? chosen : NULL;
}

static int bind_maps(const struct inlay_dev *dev, const struct inlay_dev_load *load,
		     struct bpf_object *object)
{
	struct bpf_map *map;

	bpf_object__for_each_map(map, object)
	{
		for (size_t i = 0; i < load->n_maps; i++)
			if (!strcmp(bpf_map__name(map), load->maps[i].name) &&
			    bpf_map__reuse_fd(map, load->maps[i].fd))
				return -errno;
		/* The device writes events only; the host reads them. */
		if (!load->for_host && bpf_map__fd(map) < 0 &&
		    bpf_map__type(map) != BPF_MAP_TYPE_PERF_EVENT_ARRAY)
			bpf_map__set_ifindex(map, (__u32)dev->ifindex);
	}
	return 0;
}

static int load_failed(const struct inlay_dev *dev, const struct inlay_dev_load *load,
		       const char *program, int code, const char *log,
		       struct inlay_dev_error *ret_error)
{
	const char *whose = load->for_host ? "the host" : "the device";
	char map[64];

	if (sscanf(ret_error->kernel, "libbpf: map '%63[^']': failed to create", map) == 1) {
		ret_error->kernel[0] = 0;
		return device_fail(ret_error, dev, STEP_MAP, code, "%s: making map '%s' on %s",
				   load->label, map, whose);
	}
	ret_error->kernel[0] = 0;
	keep_end(log, ret_error->log, sizeof(ret_error->log));
	return device_fail(ret_error, dev, STEP_PROGRAM, code, "%s: loading '%s' for %s",
			   load->label, program, whose);
}

static int load_object(const struct inlay_dev *dev, const struct inlay_dev_load *load, char *log,
		       size_t log_room, struct inlay_dev_program *ret_program,
		       struct inlay_dev_error *ret_error)
{
	LIBBPF_OPTS(bpf_object_open_opts, options, .object_name = "inlay");
	struct bpf_prog_info info = {0};
	struct bpf_program *program;
	struct bpf_object *object;
	__u32 len = sizeof(info);
	int err;

	object = bpf_object__open_mem(load->object, load->len, &options);
	if (!object)
		return device_fail(ret_error, dev, STEP_OBJECT, -errno, "%s: reading the object",
				   load->label);
	program = choose(object, load->program);
	if (!program) {
		err = device_fail(ret_error, dev, STEP_OBJECT, -ENOENT, "%s: looking for %s%s",
				  load->label, load->program ? "function " : "its only function",
				  load->program ? load->program : "");
		goto fail;
	}
	if (!load->as_is) {
		bpf_program__set_type(program,
				      load->tc ? BPF_PROG_TYPE_SCHED_CLS : BPF_PROG_TYPE_XDP);
		bpf_program__set_expected_attach_type(program, load->tc ? 0 : BPF_XDP);
	}
	bpf_program__set_log_buf(program, log, log_room);
	/* Level 1 forgets what was said of a program that passes. */
	bpf_program__set_log_level(program, load->log ? 2 : 0);
	if (!load->for_host)
		bpf_program__set_ifindex(program, (__u32)dev->ifindex);
	err = bind_maps(dev, load, object);
	if (err) {
		device_fail(ret_error, dev, STEP_MAP, err, "%s: using a map that is there",
			    load->label);
		goto fail;
	}
	err = bpf_object__load(object);
	if (!err && bpf_obj_get_info_by_fd(bpf_program__fd(program), &info, &len))
		err = -errno;
	if (err) {
		load_failed(dev, load, bpf_program__name(program), err, log, ret_error);
		goto fail;
	}
	*ret_program = (struct inlay_dev_program){
		.fd = bpf_program__fd(program),
		.id = info.id,
		.tc = bpf_program__type(program) == BPF_PROG_TYPE_SCHED_CLS,
		.object = object,
	};
	return 0;
fail:
	bpf_object__close(object);
	return err;
}

int inlay_dev_load(const struct inlay_dev *dev, const struct inlay_dev_load *load,
		   struct inlay_dev_program *ret_program, struct inlay_dev_error *ret_error)
{
	libbpf_print_fn_t before;
	char *log;
	int err;

	*ret_error = (struct inlay_dev_error){0};
	log = load->log ? load->log : malloc(LOG_ROOM);
	if (!log)
		return device_fail(ret_error, dev, STEP_OBJECT, -ENOMEM, "%s: loading",
				   load->label);
	log[0] = 0;
	caught = ret_error->kernel;
	caught_room = sizeof(ret_error->kernel);
	before = libbpf_set_print(catch_words);
	err = load_object(dev, load, log, load->log ? load->log_room : LOG_ROOM, ret_program,
			  ret_error);
	libbpf_set_print(before);
	if (!load->log)
		free(log);
	if (!err)
		ret_error->kernel[0] = 0;
	return err;
}

void inlay_dev_unload(struct inlay_dev_program *program)
{
	bpf_object__close(program->object);
	*program = (struct inlay_dev_program){0};
}

int inlay_dev_map_fd(const struct inlay_dev_program *program, const char *name)
{
	int fd = bpf_object__find_map_fd_by_name(program->object, name);

	return fd < 0 ? -ENOENT : fd;
}

int inlay_dev_program_binding(int fd, struct inlay_dev_binding *ret_binding)
{
	struct bpf_prog_info info = {0};
	__u32 len = sizeof(info);

	if (bpf_obj_get_info_by_fd(fd, &info, &len))
		return -errno;
	*ret_binding = (struct inlay_dev_binding){info.ifindex, info.netns_dev, info.netns_ino};
	return 0;
}

int inlay_dev_map_binding(int fd, struct inlay_dev_binding *ret_binding)
{
	struct bpf_map_info info = {0};
	__u32 len = sizeof(info);

	if (bpf_obj_get_info_by_fd(fd, &info, &len))
		return -errno;
	*ret_binding = (struct inlay_dev_binding){info.ifindex, info.netns_dev, info.netns_ino};
	return 0;
}
