/* SPDX-License-Identifier: BSD-2-Clause */
#include "counters.h"

#include "daemon_impl.h"

/* Who counts what: packets, but for the forwarder, who counts frames and copies as well, and the
 * relay, who counts streams that it took over from the forwarder. */
enum part { DATA_THREAD, ENDPOINT, FORWARDER, RELAY, N_PARTS };
static const char *const parts[] = {"data_thread", "endpoint", "forwarder", "relay"};

static void collect(const struct inlay_daemon *d, struct inlay_reason_counters ret[N_PARTS])
{
	struct inlay_relay_stats relay;

	/* Before the sum: that has only risen since. */
	inlay_datathread_forward_reasons(d->datathread, &ret[FORWARDER]);
	inlay_datathread_reasons(d->datathread, &ret[DATA_THREAD]);
	ret[ENDPOINT] = *inlay_endpoint_reasons(d->endpoint);
	inlay_relay_stats(d->relay, &relay);
	for (__u32 i = 0; i < INLAY_N_REASONS; i++) {
		ret[DATA_THREAD].count[i] -= ret[FORWARDER].count[i];
		ret[RELAY].count[i] = relay.legs_detached[i];
	}
}

static json_t *reasons(const struct inlay_daemon *d)
{
	struct inlay_reason_counters counts[N_PARTS];
	json_t *list = json_array();

	collect(d, counts);
	for (__u32 i = 0; list && i < INLAY_N_REASONS; i++) {
		json_t *one = json_pack("{s:s, s:s, s:s}", "reason", inlay_reason_name(i), "text",
					inlay_reason_text(i), "advice", inlay_reason_advice(i));
		json_int_t total = 0;

		for (size_t part = 0; part < N_PARTS; part++) {
			json_int_t n = (json_int_t)counts[part].count[i];

			total += n;
			json_object_set_new(one, parts[part], json_integer(n));
		}
		json_object_set_new(one, "total", json_integer(total));
		json_array_append_new(list, one);
	}
	return list;
}

static json_t *stream_resets(const struct inlay_daemon *d)
{
	struct inlay_relay_stats s;
	json_t *list = json_array();

	inlay_relay_stats(d->relay, &s);
	for (int rule = 0; list && rule < INLAY_RELAY_N_RULES; rule++)
		json_array_append_new(list, json_pack("{s:s, s:s, s:I}", "rule",
						      inlay_relay_rule_name(rule), "text",
						      inlay_relay_rule_text(rule), "count",
						      (json_int_t)s.resets[rule]));
	return list;
}

json_t *inlay_counters_answer(void *daemon, const json_t *request, const char **ret_error)
{
	return json_pack("{s:o, s:o}", "reasons", reasons(daemon), "stream_resets",
			 stream_resets(daemon));
}
