/* SPDX-License-Identifier: BSD-2-Clause */
/* Track names and bit rates from a command line. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "rendition.h"

#define MOST_BPS 1e12

int inlay_rendition_parse(const char *text, bool with_value, struct inlay_rendition *ret)
{
	struct inlay_rendition r = {0};
	size_t len = strlen(text) + 1;
	char *equals;
	int rv = -ENOMEM;

	r.track = strdup(text);
	r.name_bytes = malloc(len);
	if (!r.track || !r.name_bytes)
		goto bad;
	rv = -EINVAL;
	/* Names hold no '=': such bytes are written by their numbers. */
	equals = with_value ? strchr(r.track, '=') : NULL;
	if (with_value) {
		if (!equals || !equals[1])
			goto bad;
		*equals = 0;
		r.value = equals + 1;
	}
	if (inlay_moq_name_scan(r.track, r.name_bytes, len, &r.name))
		goto bad;
	*ret = r;
	return 0;
bad:
	inlay_rendition_fini(&r);
	return rv;
}

void inlay_rendition_fini(struct inlay_rendition *r)
{
	free(r->track);
	free(r->name_bytes);
	*r = (struct inlay_rendition){0};
}

bool inlay_rendition_bit_rate(const char *text, __u64 *ret_bps)
{
	char *end;
	double bps = strtod(text, &end);

	if (end != text && *end == 'k') {
		bps *= 1e3;
		end++;
	} else if (end != text && *end == 'M') {
		bps *= 1e6;
		end++;
	}
	if (end == text || *end || !(bps >= 1 && bps <= MOST_BPS))
		return false;
	*ret_bps = (__u64)(bps + 0.5);
	return true;
}
