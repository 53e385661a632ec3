/* Sends audio on many connections at once, as lightly as possible, and counts what comes back.
 *
 *   generator ws|tcp HOST PORT CONNECTIONS FRAME_BYTES INTERVAL_MS PATH [EVERY [HEADER]]
 *   generator text   HOST PORT CONNECTIONS FILE        INTERVAL_MS PATH [EVERY [HEADER]]
 *
 * The file's last line is what is sent again and again; those before it are said once, at first.
 * HEADER is one more line of the upgrade request.
 *
 * Frames are spread evenly in time: every connection has its own place within the interval, the
 * worst case for a server, which can batch nothing. INTERVAL_MS 0 sends nothing (idle
 * connections). Every line on standard input is answered by one line of counters:
 *
 *   now_ns frames sent_bytes replies received_bytes payload_bytes late_frames closed
 *
 * but for two. `pace MS` goes on with another interval, and forgets the round trips so far. `trips`
 * is answered with those since: how many there were, then their 50th, 90th and 99th hundredth and
 * the longest, in ns. With EVERY, a round trip is from sending the frame numbered N * EVERY to the
 * reply that holds `reply N `; what answers a frame of its own accord is none.
 *
 * `ws` frames are masked and made once (RFC 6455 5.3 wants a fresh mask per frame; a generator
 * that only loads a server does not need it). `tcp` sends as many bytes without meaning, `text` the
 * file as one text message.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/timerfd.h>
#include <time.h>
#include <unistd.h>

struct connection {
    int fd;
    size_t unsent;              /* bytes of the current frame still to go */
    int64_t due;
    unsigned char head[10];     /* of a frame that is being received */
    int have;
    uint64_t left;              /* payload bytes of it still to come */
    int kept;
    char text[512];             /* the beginning of that payload */
    uint64_t frames;
    int64_t asked[16];          /* when the newest frames went that are due a reply */
};

static int websocket, count;
static size_t size;
static int64_t interval;
static unsigned char *frame;
static struct connection *all;
static uint64_t frames, sent, replies, received, payload, late, closed_;
static unsigned long every;
static int64_t trips[1 << 18];
static size_t tripped;

static void die(const char *what) {
    perror(what);
    exit(1);
}

static int64_t now_ns(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return t.tv_sec * 1000000000LL + t.tv_nsec;
}

/* A whole message came. */
static void taken(struct connection *c) {
    int kind = c->head[0] & 15;
    if (kind == 9 && !c->unsent) {      /* a ping: without a pong we would be dropped one day */
        unsigned char pong[6 + 125] = {0x8a, 0x80 | c->kept};
        memcpy(pong + 6, c->text, c->kept);
        if (send(c->fd, pong, 6 + c->kept, MSG_NOSIGNAL) < 0 && errno != EAGAIN)
            closed_++;
    }
    if (kind >= 8 || !every)
        return;
    char *at = memmem(c->text, c->kept, "reply ", 6), *end = c->text + c->kept;
    uint64_t number = 0;
    for (at = at ? at + 6 : end; at < end && *at >= '0' && *at <= '9'; at++)
        number = number * 10 + *at - '0';
    if (number && number * every + 15 * every >= c->frames && tripped < sizeof trips / sizeof *trips)
        trips[tripped++] = now_ns() - c->asked[number & 15];
}

static void take(struct connection *c, const unsigned char *data, ssize_t n) {
    received += n;
    if (!websocket)
        return;
    while (n > 0) {
        if (c->left) {
            uint64_t step = (uint64_t)n < c->left ? (uint64_t)n : c->left;
            size_t room = sizeof c->text - c->kept;
            memcpy(c->text + c->kept, data, step < room ? step : room);
            c->kept += step < room ? step : room;
            c->left -= step, data += step, n -= step;
            if (!c->left)
                taken(c);
            continue;
        }
        c->head[c->have++] = *data++, n--;
        if (c->have < 2)
            continue;
        int length = c->head[1] & 127, wanted = length == 126 ? 4 : length == 127 ? 10 : 2;
        if (c->have < wanted)
            continue;
        if (length == 126)
            c->left = c->head[2] << 8 | c->head[3];
        else if (length == 127)
            for (int i = 2; i < 10; i++)
                c->left = c->left << 8 | c->head[i];
        else
            c->left = length;
        if ((c->head[0] & 15) < 8)
            replies++, payload += c->left;
        c->have = c->kept = 0;
        if (!c->left)
            taken(c);
    }
}

static void drop(struct connection *c) {
    close(c->fd);
    c->fd = -1;
    closed_++;
}

static void receive(struct connection *c) {
    static unsigned char buffer[65536];
    ssize_t n = recv(c->fd, buffer, sizeof buffer, 0);
    if (n > 0)
        take(c, buffer, n);
    else if (n == 0 || (errno != EAGAIN && errno != EINTR))
        drop(c);
}

static void transmit(struct connection *c) {
    if (!c->unsent) {
        c->unsent = size;
        if (every && ++c->frames % every == 0)
            c->asked[c->frames / every & 15] = now_ns();
    } else {
        late++;                 /* the server did not take the last one yet */
    }
    ssize_t n = send(c->fd, frame + size - c->unsent, c->unsent, MSG_NOSIGNAL);
    if (n < 0) {
        if (errno != EAGAIN && errno != EINTR)
            drop(c);
        return;
    }
    sent += n;
    c->unsent -= n;
    if (!c->unsent)
        frames++;
}

static unsigned char hello[65536];
static size_t hello_size;       /* said by every connection once it is open */

/* A text frame with a mask of zeros: its bytes stand as they are. */
static void greet(const unsigned char *text, size_t length) {
    unsigned char *to = hello + hello_size;
    size_t head = length < 126 ? 6 : 8;
    if (hello_size + head + length > sizeof hello)
        die("hello");
    memset(to, 0, head);
    to[0] = 0x81;
    to[1] = 0x80 | (length < 126 ? length : 126);
    if (length >= 126)
        to[2] = length >> 8, to[3] = length;
    memcpy(to + head, text, length);
    hello_size += head + length;
}

static void open_one(struct connection *c, struct sockaddr_in *to, const char *path,
                     const char *header) {
    int one = 1;
    c->fd = socket(AF_INET, SOCK_STREAM, 0);
    if (c->fd < 0 || connect(c->fd, (struct sockaddr *)to, sizeof *to))
        die("connect");
    setsockopt(c->fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
    if (websocket) {
        unsigned char buffer[65536];
        ssize_t have = 0, n;
        dprintf(c->fd,
                "GET %s HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\n"
                "Connection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
                "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n%s%s\r\n",
                path, header, *header ? "\r\n" : "");
        for (;;) {
            n = recv(c->fd, buffer + have, sizeof buffer - 1 - have, 0);
            if (n <= 0)
                die("handshake");
            have += n;
            buffer[have] = 0;
            unsigned char *end = memmem(buffer, have, "\r\n\r\n", 4);
            if (!end)
                continue;
            if (!memmem(buffer, 16, " 101 ", 5)) {
                fprintf(stderr, "refused: %s\n", buffer);
                exit(1);
            }
            take(c, end + 4, have - (end + 4 - buffer));
            if (hello_size && write(c->fd, hello, hello_size) != (ssize_t)hello_size)
                die("hello");
            break;
        }
    }
    fcntl(c->fd, F_SETFL, O_NONBLOCK);
}

/* The next frame of each, evenly spread from now on. */
static void spread(void) {
    int64_t start = now_ns() + 1000000;
    for (int i = 0; i < count; i++)
        all[i].due = start + interval * i / count;
}

static int longer(const void *a, const void *b) {
    int64_t one = *(const int64_t *)a, other = *(const int64_t *)b;
    return (one > other) - (one < other);
}

static int64_t share(int percent) {
    return tripped ? trips[(tripped - 1) * percent / 100] : 0;
}

static void tell_trips(void) {
    qsort(trips, tripped, sizeof *trips, longer);
    printf("%zu %lld %lld %lld %lld\n", tripped, (long long)share(50), (long long)share(90),
           (long long)share(99), (long long)share(100));
}

int main(int argc, char **argv) {
    if (argc < 8 || argc > 10) {
        fprintf(stderr, "ws|tcp|text HOST PORT CONNECTIONS FRAME_BYTES|FILE INTERVAL_MS PATH"
                        " [EVERY [HEADER]]\n");
        return 2;
    }
    every = argc > 8 ? strtoul(argv[8], 0, 10) : 0;
    int text = !strcmp(argv[1], "text");
    websocket = text || !strcmp(argv[1], "ws");
    static unsigned char said[65536];
    size_t length = 0;
    if (text) {
        FILE *file = fopen(argv[5], "rb");
        if (!file)
            die(argv[5]);
        length = fread(said, 1, sizeof said, file);
        fclose(file);
        unsigned char *line = said, *end;
        while ((end = memchr(line, '\n', said + length - line)) && end + 1 < said + length) {
            greet(line, end - line);
            line = end + 1;
        }
        length = said + length - line;
        memmove(said, line, length);
    }
    struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons(atoi(argv[3]))};
    inet_pton(AF_INET, argv[2], &to.sin_addr);
    count = atoi(argv[4]);
    size_t body = text ? length : (size_t)atol(argv[5]), head = body < 126 ? 6 : body < 65536 ? 8 : 14;
    interval = atof(argv[6]) * 1000000;
    size = head + body;
    frame = calloc(1, size);
    unsigned seed = 1;
    for (size_t i = 0; i < body; i++)
        frame[head + i] = rand_r(&seed);
    frame[0] = 0x82;
    if (body < 126) {
        frame[1] = 0x80 | body;
    } else if (body < 65536) {
        frame[1] = 0x80 | 126, frame[2] = body >> 8, frame[3] = body;
    } else {
        frame[1] = 0x80 | 127;
        for (int i = 0; i < 8; i++)
            frame[2 + i] = (uint64_t)body >> (56 - 8 * i);
    }
    memcpy(frame + head - 4, "\x5a\x3c\x96\xe1", 4);
    if (text) {
        frame[0] = 0x81;
        for (size_t i = 0; i < body; i++)
            frame[head + i] = said[i] ^ frame[head - 4 + i % 4];
    }

    all = calloc(count, sizeof *all);
    int poll = epoll_create1(0), alarm = timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK);
    for (int i = 0; i < count; i++) {
        open_one(&all[i], &to, argv[7], argc > 9 ? argv[9] : "");
        struct epoll_event e = {.events = EPOLLIN, .data.u32 = i + 2};
        epoll_ctl(poll, EPOLL_CTL_ADD, all[i].fd, &e);
    }
    struct epoll_event input = {.events = EPOLLIN, .data.u32 = 0};
    epoll_ctl(poll, EPOLL_CTL_ADD, 0, &input);
    struct epoll_event tick = {.events = EPOLLIN, .data.u32 = 1};
    epoll_ctl(poll, EPOLL_CTL_ADD, alarm, &tick);
    spread();
    printf("ready\n");
    fflush(stdout);

    struct epoll_event events[256];
    int next = 0;               /* whose turn it is: they take turns for ever */
    for (;;) {
        if (interval) {
            int64_t now = now_ns();
            while (all[next].due <= now) {
                struct connection *c = &all[next];
                c->due += interval;
                if (c->fd >= 0)
                    transmit(c);
                next = (next + 1) % count;
            }
            struct itimerspec at = {.it_value = {all[next].due / 1000000000,
                                                 all[next].due % 1000000000}};
            timerfd_settime(alarm, TFD_TIMER_ABSTIME, &at, 0);
        }
        int n = epoll_wait(poll, events, 256, -1);
        for (int i = 0; i < n; i++) {
            uint32_t who = events[i].data.u32;
            if (who >= 2) {
                if (all[who - 2].fd >= 0)
                    receive(&all[who - 2]);
            } else if (who == 1) {
                uint64_t ticks;
                if (read(alarm, &ticks, 8) < 0 && errno != EAGAIN)
                    die("timer");
            } else {
                char line[256];
                ssize_t read_ = read(0, line, sizeof line - 1);
                if (read_ <= 0)
                    return 0;
                line[read_] = 0;
                if (!strncmp(line, "pace ", 5)) {
                    interval = atof(line + 5) * 1000000;
                    spread();
                    next = 0, tripped = 0;
                } else if (!strncmp(line, "trips", 5)) {
                    tell_trips();
                    fflush(stdout);
                    continue;
                }
                printf("%lld %llu %llu %llu %llu %llu %llu %llu\n", (long long)now_ns(),
                       (unsigned long long)frames, (unsigned long long)sent,
                       (unsigned long long)replies, (unsigned long long)received,
                       (unsigned long long)payload, (unsigned long long)late,
                       (unsigned long long)closed_);
                fflush(stdout);
            }
        }
    }
}
