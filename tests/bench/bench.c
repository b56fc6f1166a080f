/* SPDX-License-Identifier: BSD-2-Clause */
#include "bench.h"

#include <errno.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/utsname.h>
#include <time.h>
#include <unistd.h>

inlay_ns bench_now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (inlay_ns)t.tv_sec * INLAY_S + (inlay_ns)t.tv_nsec;
}

/* --- Options ---------------------------------------------------------------------------------- */

bool bench_parse_number(const char *text, long low, long high, long *ret)
{
	char *end;
	long v;

	errno = 0;
	v = strtol(text, &end, 10);
	if (errno || end == text || *end || v < low || v > high)
		return false;
	*ret = v;
	return true;
}

bool bench_parse_without(const char *text, const char *const *names, size_t n, bool *skip)
{
	for (size_t i = 0; i < n; i++)
		if (!strcmp(text, names[i])) {
			skip[i] = true;
			return true;
		}
	return false;
}

/* --- As root ---------------------------------------------------------------------------------- */

volatile sig_atomic_t bench_stopped;

static void on_signal(int number)
{
	bench_stopped = 1;
}

bool bench_begin_as_root(const char *name)
{
	struct sigaction act = {.sa_handler = on_signal};

	if (geteuid()) {
		fprintf(stderr,
			"%s: needs root, for network namespaces and eBPF: sudo scripts/bench %s\n",
			name, name);
		return false;
	}
	sigaction(SIGINT, &act, NULL);
	sigaction(SIGTERM, &act, NULL);
	signal(SIGPIPE, SIG_IGN);
	return true;
}

/* --- Where, and how sure ---------------------------------------------------------------------- */

static void read_cpu_model(char *dst, size_t room)
{
	FILE *f = fopen("/proc/cpuinfo", "r");
	char line[256];

	snprintf(dst, room, "unknown");
	if (!f)
		return;
	while (fgets(line, sizeof(line), f)) {
		const char *value = strchr(line, ':');

		if (strncmp(line, "model name", 10) != 0 || !value)
			continue;
		line[strcspn(line, "\n")] = '\0';
		snprintf(dst, room, "%s", value + 2);
		break;
	}
	fclose(f);
}

/* The last one: the first serves most interrupts. */
static int pin(int cpu)
{
	cpu_set_t allowed, one;
	int i;

	if (cpu < 0) {
		if (sched_getaffinity(0, sizeof(allowed), &allowed))
			return -1;
		for (i = 0; i < CPU_SETSIZE; i++)
			if (CPU_ISSET(i, &allowed))
				cpu = i;
	}
	CPU_ZERO(&one);
	CPU_SET(cpu, &one);
	return sched_setaffinity(0, sizeof(one), &one) ? -1 : cpu;
}

void bench_host_init(struct bench_host *host, int cpu)
{
	struct utsname u;

	memset(host, 0, sizeof(*host));
	read_cpu_model(host->cpu, sizeof(host->cpu));
	if (uname(&u) == 0)
		snprintf(host->kernel, sizeof(host->kernel), "%.40s %.80s %.30s", u.sysname,
			 u.release, u.machine);
	host->cpus = (int)sysconf(_SC_NPROCESSORS_ONLN);
	host->pinned = pin(cpu);
}

void bench_series_add(struct bench_series *s, double sample)
{
	if (s->n < BENCH_MAX_RUNS)
		s->samples[s->n++] = sample;
}

static int compare(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

/* |at| in [0, 1]: 0.5 is the median. */
static double quantile(const struct bench_series *s, double at)
{
	double sorted[BENCH_MAX_RUNS], where;
	int below;

	if (s->n == 0)
		return 0;
	memcpy(sorted, s->samples, (size_t)s->n * sizeof(sorted[0]));
	qsort(sorted, (size_t)s->n, sizeof(sorted[0]), compare);
	where = at * (s->n - 1);
	below = (int)where;
	if (below + 1 >= s->n)
		return sorted[s->n - 1];
	return sorted[below] + (where - below) * (sorted[below + 1] - sorted[below]);
}

double bench_series_median(const struct bench_series *s)
{
	return quantile(s, 0.5);
}

double bench_series_spread(const struct bench_series *s)
{
	double median = bench_series_median(s);

	return median > 0 ? (quantile(s, 0.75) - quantile(s, 0.25)) / median : 0;
}

static int compare_floats(const void *a, const void *b)
{
	float x = *(const float *)a, y = *(const float *)b;

	return (x > y) - (x < y);
}

double bench_quantile(float *samples, size_t n, double at)
{
	if (!n)
		return 0;
	qsort(samples, n, sizeof(*samples), compare_floats);
	return (double)samples[(size_t)(at * (double)(n - 1))];
}

void bench_print_host(const struct bench_host *host, int runs)
{
	printf("CPU %s (%d online), kernel %s, ", host->cpu, host->cpus, host->kernel);
	if (host->pinned >= 0)
		printf("pinned to CPU %d, ", host->pinned);
	else
		printf("not pinned, ");
	printf("median of %d runs\n", runs);
}

json_t *bench_meta(const struct bench_host *host, const char *name, int runs)
{
	return json_pack("{s:s, s:s, s:s, s:i, s:i, s:i, s:[]}", "bench", name, "cpu", host->cpu,
			 "kernel", host->kernel, "cpus", host->cpus, "pinned_cpu", host->pinned,
			 "runs", runs, "rows");
}

int bench_write_json(json_t *root, const char *path)
{
	int err = 0;

	if (!root)
		return -ENOMEM;
	if (path && json_dump_file(root, path, JSON_INDENT(2) | JSON_REAL_PRECISION(6)))
		err = errno ? -errno : -EIO;
	json_decref(root);
	return err;
}

int bench_end(json_t *root, const char *path, int ret)
{
	const char *bench = json_string_value(json_object_get(root, "bench"));
	char name[32];

	snprintf(name, sizeof(name), "%s", bench ? bench : "bench");
	if (!bench_write_json(root, path))
		return ret;
	fprintf(stderr, "%s: %s cannot be written\n", name, path);
	return 1;
}
