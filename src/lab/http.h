/* The smallest web server that serves pages which are made when they are asked for. Private to the room; used by the live view. */
#ifndef LAB_HTTP_H
#define LAB_HTTP_H

#include <stddef.h>

/* A page for `path`: text to be freed with free(), its media type, or NULL: there is none. Called from the server's thread, one at a time. */
typedef char *br_http_page(void *arg, const char *path, size_t *bytes, const char **type);

struct br_http;
/* Serves GET of pages on address:port. Port 0: any that is free; *port_used = which. Errors: BR_ERROR_USAGE, also where the build has no libmicrohttpd. */
int br_http_open(const char *address, int port, br_http_page *page, void *arg, struct br_http **out, int *port_used);
void br_http_close(struct br_http *http); /* NULL does nothing */

#endif
