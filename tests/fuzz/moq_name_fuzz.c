/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Any bytes as the text of a name, and as a name on the wire. Text and name are one to one, so the
 * way there and back ends where it began.
 */
#include <stdlib.h>
#include <string.h>

#include "name.h"

int LLVMFuzzerTestOneInput(const __u8 *data, size_t len);

#define TEXT_MAX (3 * INLAY_MOQ_NAME_BYTES + 64)

static __u8 storage[TEXT_MAX], storage_again[TEXT_MAX];
static char text[TEXT_MAX], text_again[TEXT_MAX];

static void check_text(const __u8 *data, size_t len)
{
	static struct inlay_moq_name name;

	memcpy(text, data, len);
	text[len] = '\0';
	if (inlay_moq_name_scan(text, storage, len, &name))
		return;
	if (inlay_moq_name_format(&name, text_again, sizeof(text_again)) != strlen(text) ||
	    strcmp(text, text_again))
		abort();
}

static void check_wire(const __u8 *data, size_t len)
{
	static struct inlay_moq_name name, again;
	struct inlay_cursor c = inlay_cursor_of(data, len);
	struct inlay_moq_name *copy;
	struct inlay_writer w;

	if (inlay_moq18_name_parse(&c, &name) != INLAY_MOQ_OK)
		return;
	if (inlay_moq_name_format(&name, text, sizeof(text)) >= sizeof(text) ||
	    inlay_moq_name_scan(text, storage, sizeof(storage), &again) ||
	    !inlay_moq_name_equal(&name, &again))
		abort();
	w = inlay_writer_of(storage_again, sizeof(storage_again));
	copy = inlay_moq_name_dup(&name);
	if (!copy || !inlay_moq_name_equal(&name, copy) || !inlay_moq18_name_put(&w, copy))
		abort();
	free(copy);
	c = inlay_cursor_of(storage_again, inlay_writer_len(&w));
	if (inlay_moq18_name_parse(&c, &again) != INLAY_MOQ_OK || inlay_cursor_left(&c) > 0 ||
	    !inlay_moq_name_equal(&name, &again))
		abort();
}

int LLVMFuzzerTestOneInput(const __u8 *data, size_t len)
{
	if (len >= TEXT_MAX)
		return 0;
	check_text(data, len);
	check_wire(data, len);
	return 0;
}
