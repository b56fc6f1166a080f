/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * YAML into the configuration's loader: what it accepts is within its bounds, and is what it
 * prints; what it refuses is refused in one line.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "config.h"

static void check_accepted(const struct inlay_config *config)
{
	char err[INLAY_CONFIG_ERROR];
	struct inlay_config again;
	char *text;

	if (!config->n_listen || config->n_listen > INLAY_CONFIG_LIST || !config->n_ciphers ||
	    config->n_ciphers > 3 || config->max_connections < 1 ||
	    config->max_connections > 65536 || config->ring_frames & (config->ring_frames - 1))
		abort();
	for (__u32 i = 0; i < config->n_listen; i++)
		if (!config->open && !inlay_address_is_loopback(&config->listen[i]))
			abort();
	text = inlay_config_print(config);
	if (!text)
		abort();
	if (inlay_config_parse("printed", text, strlen(text), &again, err) ||
	    memcmp(config, &again, sizeof(again)))
		abort();
	free(text);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char err[INLAY_CONFIG_ERROR] = "";
	struct inlay_config config;
	int ret = inlay_config_parse("fuzz.yaml", (const char *)data, size, &config, err);

	if (!ret)
		check_accepted(&config);
	else if (!*err || strchr(err, '\n'))
		abort();
	return 0;
}
