/* nghttp2 as a client of random exchanges: uploads that come back, with padding, trailers, 100, cancellations and
 * changes of settings.
 *
 *     crossing PORT COUNT LARGEST AT_ONCE
 */

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <nghttp2/nghttp2.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define NV(n, v) {(uint8_t *)n, (uint8_t *)v, sizeof(n) - 1, sizeof(v) - 1, NGHTTP2_NV_FLAG_NONE}

/* The content of an exchange: the bytes of `all` from `start`. */
struct exchange {
    size_t start, len, sent, received;
    int has_trailers, is_cancelled;
};

static uint8_t *all;
static size_t largest, left, living, whole, cancelled, continued;

static void fail(const char *what) {
    fprintf(stderr, "%s\n", what);
    exit(1);
}

static void check(long result, const char *what) {
    if (result < 0) {
        fprintf(stderr, "%s: %s\n", what, nghttp2_strerror((int)result));
        exit(1);
    }
}

static int chance(int percent) { return rand() % 100 < percent; }

static ssize_t read_content(nghttp2_session *session, int32_t id, uint8_t *buffer, size_t room, uint32_t *flags,
                            nghttp2_data_source *source, void *user) {
    static const nghttp2_nv trailers[] = {NV("x-sum", "none")};
    struct exchange *it = source->ptr;
    size_t rest = it->len - it->sent, len = rest < room ? rest : room;
    (void)user;
    if (len > 1 && chance(50)) len = 1 + (size_t)rand() % len;
    memcpy(buffer, all + it->start + it->sent, len);
    it->sent += len;
    if (it->sent == it->len) {
        *flags |= NGHTTP2_DATA_FLAG_EOF;
        if (it->has_trailers) {
            *flags |= NGHTTP2_DATA_FLAG_NO_END_STREAM;
            check(nghttp2_submit_trailer(session, id, trailers, 1), "trailers");
        }
    }
    return (ssize_t)len;
}

static ssize_t pad(nghttp2_session *session, const nghttp2_frame *frame, size_t most, void *user) {
    size_t len = frame->hd.length;
    (void)session, (void)user;
    if (frame->hd.type == NGHTTP2_DATA && chance(50)) len += (size_t)rand() % 256;
    return (ssize_t)(len < most ? len : most);
}

static int on_data(nghttp2_session *session, uint8_t flags, int32_t id, const uint8_t *data, size_t len, void *user) {
    struct exchange *it = nghttp2_session_get_stream_user_data(session, id);
    (void)flags, (void)user;
    if (it->received + len > it->len || memcmp(all + it->start + it->received, data, len) != 0) fail("another echo");
    it->received += len;
    if (!it->is_cancelled && chance(2)) {
        it->is_cancelled = 1;
        check(nghttp2_submit_rst_stream(session, 0, id, NGHTTP2_CANCEL), "cancel");
    }
    return 0;
}

static int on_head(nghttp2_session *session, const nghttp2_frame *frame, const uint8_t *name, size_t name_len,
                   const uint8_t *value, size_t value_len, uint8_t flags, void *user) {
    (void)session, (void)frame, (void)name, (void)flags, (void)user;
    continued += name_len == 7 && value_len == 3 && memcmp(value, "100", 3) == 0;
    return 0;
}

static int on_close(nghttp2_session *session, int32_t id, uint32_t code, void *user) {
    struct exchange *it = nghttp2_session_get_stream_user_data(session, id);
    (void)user;
    if (it->is_cancelled) cancelled++;
    else if (code != 0 || it->received != it->len) {
        fprintf(stderr, "code %u, %zu of %zu\n", code, it->received, it->len);
        exit(1);
    } else whole++;
    living--;
    free(it);
    return 0;
}

static void begin(nghttp2_session *session) {
    static const nghttp2_nv fields[] = {NV(":method", "POST"), NV(":scheme", "http"), NV(":path", "/"),
                                        NV(":authority", "localhost"), NV("expect", "100-continue")};
    struct exchange *it = calloc(1, sizeof *it);
    nghttp2_data_provider provider = {{0}, read_content};
    provider.source.ptr = it;
    it->len = (size_t)rand() % largest, it->start = (size_t)rand() % largest, it->has_trailers = chance(50);
    check(nghttp2_submit_request(session, NULL, fields, chance(20) ? 5 : 4, &provider, it), "request");
    left--, living++;
}

static void change_settings(nghttp2_session *session) {
    static const uint32_t windows[] = {1500, 65535, 1 << 20}, tables[] = {0, 100, 4096}, frames[] = {16384, 20000, 1 << 20};
    nghttp2_settings_entry entries[] = {{NGHTTP2_SETTINGS_HEADER_TABLE_SIZE, tables[rand() % 3]},
                                        {NGHTTP2_SETTINGS_INITIAL_WINDOW_SIZE, windows[rand() % 3]},
                                        {NGHTTP2_SETTINGS_MAX_FRAME_SIZE, frames[rand() % 3]}};
    int result = nghttp2_submit_settings(session, 0, entries, 3);
    /* Those of before are still on their way. */
    if (result != NGHTTP2_ERR_TOO_MANY_INFLIGHT_SETTINGS) check(result, "settings");
}

static long quarters(void) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return now.tv_sec * 4 + now.tv_nsec / 250000000;
}

static nghttp2_session *session_new(void) {
    nghttp2_session *session;
    nghttp2_session_callbacks *callbacks;
    nghttp2_session_callbacks_new(&callbacks);
    nghttp2_session_callbacks_set_select_padding_callback(callbacks, pad);
    nghttp2_session_callbacks_set_on_data_chunk_recv_callback(callbacks, on_data);
    nghttp2_session_callbacks_set_on_header_callback(callbacks, on_head);
    nghttp2_session_callbacks_set_on_stream_close_callback(callbacks, on_close);
    nghttp2_session_client_new(&session, callbacks, NULL);
    nghttp2_session_callbacks_del(callbacks);
    return session;
}

int main(int count, char **arguments) {
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    if (count != 5) fail("usage: crossing PORT COUNT LARGEST AT_ONCE");
    address.sin_port = htons((uint16_t)atoi(arguments[1]));
    size_t asked = left = strtoul(arguments[2], NULL, 10), at_once = strtoul(arguments[4], NULL, 10);
    largest = strtoul(arguments[3], NULL, 10);
    all = malloc(2 * largest);
    for (size_t i = 0; i < 2 * largest; i++) all[i] = (uint8_t)rand();
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    if (connect(fd, (struct sockaddr *)&address, sizeof address) != 0) fail("no connection");
    fcntl(fd, F_SETFL, O_NONBLOCK);
    nghttp2_session *session = session_new();
    check(nghttp2_submit_settings(session, 0, NULL, 0), "settings");
    const uint8_t *unsent = NULL;
    ssize_t unsent_len = 0;
    long changed = 0;
    while (left > 0 || living > 0) {
        uint8_t buffer[1 << 14];
        while (left > 0 && living < at_once && chance(50)) begin(session);
        /* Four times a second at most: more SETTINGS are a flood. */
        if (chance(1) && quarters() != changed) changed = quarters(), change_settings(session);
        while (unsent_len > 0 || (unsent_len = nghttp2_session_mem_send(session, &unsent)) > 0) {
            ssize_t sent = send(fd, unsent, (size_t)unsent_len, MSG_NOSIGNAL);
            if (sent < 0 && errno == EAGAIN) break;
            if (sent < 0) fail("the server closed");
            unsent += sent, unsent_len -= sent;
        }
        check(unsent_len, "mem_send");
        struct pollfd wait = {fd, (short)(POLLIN | (unsent_len > 0 ? POLLOUT : 0)), 0};
        if (living > 0 && poll(&wait, 1, 20000) == 0) fail("nothing came for 20 s");
        ssize_t len = recv(fd, buffer, 1 + (size_t)rand() % sizeof buffer, 0);
        if (len == 0 || (len < 0 && errno != EAGAIN)) fail("the server closed");
        if (len > 0) check(nghttp2_session_mem_recv(session, buffer, (size_t)len), "mem_recv");
    }
    if (whole + cancelled != asked) fail("exchanges are missing");
    printf("{\"whole\": %zu, \"cancelled\": %zu, \"continued\": %zu}\n", whole, cancelled, continued);
    return 0;
}
