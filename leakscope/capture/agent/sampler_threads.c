/* Whether a thread may still be inside a hook that was taken out. Agent's thread, without the GIL.
 *
 * Hooks of raw memory run without the GIL: a thread may have read where a hook is just before it
 * was taken out. Between that and the counting of who is inside, and again between the end of the
 * counting and the return, are a few instructions that wait for nothing. So a thread is out of
 * them once it was seen asleep, or has had the processor for a millisecond since; whoever is
 * inside for longer is counted. */
#define _GNU_SOURCE
#include "sampler.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

enum { MOST_THREADS = 8192, LOOKS = 400, PAUSE_NS = 5000000, ENOUGH_NS = 1000000 };

struct thread {
    int32_t id; /* 0: out of it */
    uint64_t ran_ns;
};

struct entry { /* struct linux_dirent64 */
    uint64_t inode;
    int64_t offset;
    uint16_t length;
    uint8_t type;
    char name[];
};

static uint64_t number_in(const char *text) {
    uint64_t number = 0;
    while (*text >= '0' && *text <= '9')
        number = number * 10 + (uint64_t)(*text++ - '0');
    return number;
}

/* Read a file of a thread; the length, 0 if it is not there. */
static size_t read_file(int32_t id, const char *name, char *text, size_t room) {
    char path[64], digits[12];
    size_t at = sizeof digits;
    digits[--at] = '\0';
    for (uint32_t rest = (uint32_t)id; rest != 0; rest /= 10)
        digits[--at] = (char)('0' + rest % 10);
    strcpy(path, "/proc/self/task/");
    strcat(path, digits + at);
    strcat(path, name);
    int file = open(path, O_RDONLY | O_CLOEXEC);
    if (file < 0)
        return 0;
    ssize_t size = read(file, text, room - 1);
    close(file);
    text[size < 0 ? 0 : size] = '\0';
    return size < 0 ? 0 : (size_t)size;
}

/* Nanoseconds that a thread has had the processor; UINT64_MAX if it has gone. */
static uint64_t run_time(int32_t id) {
    char text[128];
    return read_file(id, "/schedstat", text, sizeof text) ? number_in(text) : UINT64_MAX;
}

static bool is_asleep(int32_t id) {
    char text[512];
    if (!read_file(id, "/stat", text, sizeof text))
        return true; /* it has gone */
    const char *name_end = strrchr(text, ')');
    return name_end != NULL && name_end[1] == ' ' && name_end[2] == 'S';
}

/* List all threads but this one; UINT32_MAX if that is not possible. */
static uint32_t list_threads(struct thread *threads) {
    char entries[4096];
    uint32_t count = 0;
    int32_t self = (int32_t)syscall(SYS_gettid);
    int folder = open("/proc/self/task", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (folder < 0)
        return UINT32_MAX;
    for (;;) {
        long size = syscall(SYS_getdents64, folder, entries, sizeof entries);
        if (size <= 0) {
            close(folder);
            return size < 0 ? UINT32_MAX : count;
        }
        for (long at = 0; at < size;) {
            const struct entry *entry = (const struct entry *)(entries + at);
            int32_t id = (int32_t)number_in(entry->name);
            at += entry->length;
            if (id == 0 || id == self)
                continue;
            if (count == MOST_THREADS) {
                close(folder);
                return UINT32_MAX;
            }
            threads[count++].id = id;
        }
    }
}

static bool wait_until_clear(struct thread *threads, const int64_t *inside) {
    uint32_t count = list_threads(threads), open_ones = count;
    if (count == UINT32_MAX)
        return false;
    for (uint32_t i = 0; i < count; i++)
        threads[i].ran_ns = run_time(threads[i].id);
    for (int looks = 0; looks < LOOKS; looks++) {
        for (uint32_t i = 0; i < count; i++) {
            if (threads[i].id == 0)
                continue;
            uint64_t ran_ns = run_time(threads[i].id);
            if (is_asleep(threads[i].id) || ran_ns == UINT64_MAX ||
                ran_ns - threads[i].ran_ns >= ENOUGH_NS) {
                threads[i].id = 0;
                open_ones--;
            }
        }
        if (open_ones == 0 && __atomic_load_n(inside, __ATOMIC_SEQ_CST) == 0)
            return true;
        nanosleep(&(struct timespec){.tv_nsec = PAUSE_NS}, NULL);
    }
    return false;
}

bool ls_threads_are_clear(const int64_t *inside) {
    size_t size = MOST_THREADS * sizeof(struct thread);
    void *memory = mmap(NULL, size, PROT_READ | PROT_WRITE,
                        MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (memory == MAP_FAILED)
        return false;
    bool clear = wait_until_clear(memory, inside);
    munmap(memory, size);
    return clear;
}
