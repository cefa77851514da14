// SPDX-License-Identifier: Apache-2.0
/*
 * Header compression, RFC 7541, by nghttp2's inflater.
 *
 * A table whose contents are not known (the connection was joined in the middle, or a block is
 * missing) is an inflater whose table is full of fields without name and value. They are the
 * smallest there are, so whatever the true table holds, each of its entries has one of these at its
 * index or is not there; and what is added from here on has the right index and is known. So
 * nothing is ever taken for something else, and a field without a name is one that is not known.
 */
#include "proto/http2_parts.h"

#include <errno.h>
#include <string.h>

enum { HPACK_ENTRY = 32 }; /* an entry's size beyond its texts, RFC 7541 4.1 */

static int feed(nghttp2_hd_inflater *inflater, struct slice in, bool is_last, struct http2_head *h)
{
	for (;;) {
		nghttp2_nv nv;
		int flags = 0;
		ssize_t n = nghttp2_hd_inflate_hd2(inflater, &nv, &flags, in.p, in.n, is_last);

		if (n < 0)
			return n == NGHTTP2_ERR_NOMEM ? -ENOMEM : -EBADMSG;
		in.p += n;
		in.n -= (size_t)n;
		if ((flags & NGHTTP2_HD_INFLATE_EMIT) && h)
			http2_field(h, (struct slice){ nv.name, nv.namelen },
				    (struct slice){ nv.value, nv.valuelen });
		if (flags & NGHTTP2_HD_INFLATE_FINAL) {
			nghttp2_hd_inflate_end_headers(inflater);
			return 0;
		}
		if (!(flags & NGHTTP2_HD_INFLATE_EMIT) && in.n == 0)
			return 0;
	}
}

/* A table of `size` bytes that is full of nothing. */
static int fill(nghttp2_hd_inflater *inflater, uint32_t size)
{
	/* RFC 7541 6.3: 5-bit prefix integer; 6.2.1: a literal with a new name, both texts empty */
	static const uint8_t to_max[] = { 0x3f, 0xe1, 0xff, 0x03 }, nothing[] = { 0x40, 0, 0 };
	int err = 0;

	if (size == HTTP2_TABLE_MAX)
		err = feed(inflater, (struct slice){ to_max, sizeof(to_max) }, false, NULL);
	for (uint32_t i = 0; i < size / HPACK_ENTRY && !err; i++)
		err = feed(inflater, (struct slice){ nothing, sizeof(nothing) },
			   i + 1 == size / HPACK_ENTRY, NULL);
	return err;
}

static int open_table(struct http2_hpack *hp)
{
	if (hp->inflater)
		return 0;
	if (nghttp2_hd_inflate_new(&hp->inflater) != 0)
		return -ENOMEM;
	/* how large the table is the encoder says in its blocks; SETTINGS are but its bound, and
	 * which block is the first after them nobody sees from outside */
	nghttp2_hd_inflate_change_table_size(hp->inflater, HTTP2_TABLE_MAX);
	return hp->assumed ? fill(hp->inflater, hp->assumed) : 0;
}

static void drop_table(struct http2_hpack *hp, uint32_t assumed)
{
	if (hp->inflater)
		nghttp2_hd_inflate_del(hp->inflater);
	*hp = (struct http2_hpack){ .assumed = assumed };
}

int http2_hpack_inflate(struct http2_hpack *hp, struct slice in, bool is_last, struct http2_head *h)
{
	int err = open_table(hp);

	if (!err)
		err = feed(hp->inflater, in, is_last, h);
	if (err < 0) /* an index beyond the table: it may be a larger one than was assumed */
		drop_table(hp, hp->assumed ? HTTP2_TABLE_MAX : HTTP2_TABLE_FIRST);
	return err;
}

void http2_hpack_forget(struct http2_hpack *hp)
{
	drop_table(hp, hp->assumed ? hp->assumed : HTTP2_TABLE_FIRST);
}

void http2_hpack_free(struct http2_hpack *hp)
{
	drop_table(hp, 0);
}
