/* A stand-in for NVIDIA's driver library (NVML) in tests. It reports the machine that the text file NVML_STAND_IN describes
   and reads that file again whenever the cards are counted, so a test can change the machine between two snapshots. Each line
   is one word and its values: "driver", "cuda", "card" (the following lines belong to that card), "error FUNCTION CODE" (before
   the first "card": for every card, and for functions without one). Plain nvmlInit is missing on purpose: torch would count
   these cards. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { CARDS = 8, LIST = 16, WORDS = 96 };
typedef struct { char function[WORDS]; int code; } Failure;
typedef struct { unsigned pid; unsigned long long bytes; unsigned instance, compute_instance; } Process;
typedef struct { unsigned long long total, free, used; } Memory;
typedef struct { unsigned gpu, memory; } Busy;
typedef struct {
    char name[WORDS], uuid[WORDS];
    unsigned long long total, used;
    int major, minor, busy, temperature, milliwatts, units, clock, sliced, failures, count[2];
    Failure failure[LIST];
    Process process[2][LIST]; /* compute, graphics */
} Card;

static Card cards[CARDS], common;
static int card_count, cuda;
static char driver[WORDS];

static void read_machine(void) {
    char line[256];
    FILE *file = fopen(getenv("NVML_STAND_IN"), "r");
    Card *card = &common;
    card_count = 0;
    memset(&common, 0, sizeof common);
    while (file && fgets(line, sizeof line, file)) {
        line[strcspn(line, "\n")] = 0;
        if (!strcmp(line, "card") && card_count < CARDS) memset(card = &cards[card_count++], 0, sizeof *card);
        Failure *failure = &card->failure[card->failures];
        for (int kind = 0; kind < 2; kind++) {
            Process *process = &card->process[kind][card->count[kind]];
            const char *format = kind ? "graphics %u %lld" : "compute %u %lld";
            card->count[kind] += sscanf(line, format, &process->pid, (long long *)&process->bytes) == 2;
        }
        card->failures += sscanf(line, "error %95s %d", failure->function, &failure->code) == 2;
        sscanf(line, "driver %95s", driver), sscanf(line, "cuda %d", &cuda);
        sscanf(line, "name %95[^\n]", card->name), sscanf(line, "uuid %95s", card->uuid);
        sscanf(line, "total %llu", &card->total), sscanf(line, "used %llu", &card->used);
        sscanf(line, "capability %d.%d", &card->major, &card->minor), sscanf(line, "busy %d", &card->busy);
        sscanf(line, "temperature %d", &card->temperature), sscanf(line, "milliwatts %d", &card->milliwatts);
        sscanf(line, "speed %d %d", &card->units, &card->clock), sscanf(line, "sliced %d", &card->sliced);
    }
    if (file) fclose(file);
}

static int refusal(const Card *card, const char *function) {
    for (int i = 0; card && i < card->failures; i++)
        if (!strcmp(card->failure[i].function, function)) return card->failure[i].code;
    return card == &common ? 0 : refusal(&common, function);
}

#define REFUSE(card) { int code = refusal(card, __func__); if (code) return code; }

int nvmlInitWithFlags(unsigned flags) { (void)flags; read_machine(); REFUSE(&common) return 0; }
int nvmlShutdown(void) { return 0; }
const char *nvmlErrorString(int code) { static char text[WORDS]; sprintf(text, "error %d", code); return text; }
int nvmlSystemGetDriverVersion(char *text, unsigned size) { REFUSE(&common) snprintf(text, size, "%s", driver); return 0; }
int nvmlSystemGetCudaDriverVersion(int *version) { REFUSE(&common) *version = cuda; return 0; }
int nvmlDeviceGetCount_v2(unsigned *count) { read_machine(); REFUSE(&common) *count = card_count; return 0; }
int nvmlDeviceGetHandleByIndex_v2(unsigned i, Card **card) {
    if (i >= (unsigned)card_count) return 2; /* invalid argument */
    *card = &cards[i];
    REFUSE(*card)
    return 0;
}
int nvmlDeviceGetName(Card *card, char *text, unsigned size) { REFUSE(card) snprintf(text, size, "%s", card->name); return 0; }
int nvmlDeviceGetUUID(Card *card, char *text, unsigned size) { REFUSE(card) snprintf(text, size, "%s", card->uuid); return 0; }
int nvmlDeviceGetMemoryInfo(Card *card, Memory *out) {
    REFUSE(card)
    out->total = card->total, out->used = card->used, out->free = card->total - card->used;
    return 0;
}
int nvmlDeviceGetUtilizationRates(Card *card, Busy *out) { REFUSE(card) out->gpu = card->busy, out->memory = 0; return 0; }
int nvmlDeviceGetTemperature(Card *card, int sensor, unsigned *out) { (void)sensor; REFUSE(card) *out = card->temperature; return 0; }
int nvmlDeviceGetPowerUsage(Card *card, unsigned *out) { REFUSE(card) *out = card->milliwatts; return 0; }
int nvmlDeviceGetCudaComputeCapability(Card *card, int *major, int *minor) {
    REFUSE(card) *major = card->major, *minor = card->minor;
    return 0;
}
int nvmlDeviceGetNumGpuCores(Card *card, unsigned *out) { REFUSE(card) *out = card->units; return card->units ? 0 : 3; }
int nvmlDeviceGetMaxClockInfo(Card *card, int kind, unsigned *out) { (void)kind; REFUSE(card) *out = card->clock; return 0; }
int nvmlDeviceGetMigMode(Card *card, unsigned *now, unsigned *later) { REFUSE(card) *now = *later = card->sliced; return 0; }
static int list(const Card *card, int kind, unsigned *count, Process *out) {
    unsigned wanted = card->count[kind], room = *count;
    *count = wanted;
    if (wanted > room) return 7; /* insufficient size */
    if (out) memcpy(out, card->process[kind], wanted * sizeof *out);
    return 0;
}
int nvmlDeviceGetComputeRunningProcesses_v3(Card *card, unsigned *count, Process *out) { REFUSE(card) return list(card, 0, count, out); }
int nvmlDeviceGetGraphicsRunningProcesses_v3(Card *card, unsigned *count, Process *out) { REFUSE(card) return list(card, 1, count, out); }
int nvmlDeviceGetComputeRunningProcesses_v2(Card *card, unsigned *count, Process *out) { REFUSE(card) return list(card, 0, count, out); }
int nvmlDeviceGetGraphicsRunningProcesses_v2(Card *card, unsigned *count, Process *out) { REFUSE(card) return list(card, 1, count, out); }
