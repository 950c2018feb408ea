// Asks surfaces how they scatter, for tests/furnace.rs.
#include "../../kernels/scatter.cuh"
#include "../../kernels/surface.cuh"

// A point to look at: its plane is z = 0 with the front upwards, its tangent along x.
struct alignas(16) Probe {
    float out[3];
    u32 material;
    float uv[4];
};

// What one thread finds.
struct alignas(16) Found {
    float scattered[3]; // sum of the weights of directions that scatter() draws
    float through;      // largest channel of the part that leaves on the other side
    float evaluated[3]; // sum of what evaluate() gives for even directions, times 4 pi
    float density;      // sum of their densities, times 4 pi
    float unlike;       // largest relative difference of density and weight from evaluate(), of every eighth drawn direction
    u32 pad[3];
};

// Numbers of a direction: a Kronecker sequence of three dimensions (Roberts, The Unreasonable Effectiveness of Quasirandom
// Sequences).
T_FN void numbers(u32 index, float *u, float *v, float *lobe) {
    *u = t_unit(index * 3518319155u);
    *v = t_unit(index * 2882110345u);
    *lobe = t_unit(index * 2360945575u);
}

// One block a probe; each thread draws `samples` directions, and asks for `even` ones.
T_KERNEL probe(const Scene *scene, const Probe *probes, Found *found, u32 samples, u32 even) {
    Probe p = probes[blockIdx.x];
    Hit hit;
    hit.at = vec(0.0f, 0.0f, 0.0f);
    hit.out = vec(p.out[0], p.out[1], p.out[2]);
    hit.plane = hit.normal = vec(0.0f, 0.0f, 1.0f);
    hit.tangent = {1.0f, 0.0f, 0.0f, 1.0f};
    hit.color = {1.0f, 1.0f, 1.0f, 1.0f};
    for (int i = 0; i < 4; i++) hit.uv[i] = p.uv[i];
    hit.material = section<Material>(scene, scene->materials) + p.material;
    Layers layers;
    Surface s;
    surface(scene, &hit, 0.0f, &layers, &s);
    Vec scattered = vec(0.0f, 0.0f, 0.0f), evaluated = scattered;
    float through = 0.0f, densities = 0.0f, unlike = 0.0f;
    for (u32 i = 0; i < samples; i++) {
        float u, v, lobe, density;
        numbers(threadIdx.x * samples + i, &u, &v, &lobe);
        Scatter drawn;
        if (!scatter(&s, lobe, u, v, &drawn)) continue;
        scattered = scattered + drawn.weight;
        if (drawn.through) through += largest(drawn.weight);
        if ((i & 7u) == 0u) {
            Vec again = evaluate(&s, drawn.direction, &density);
            float error = t_abs(t_div(density, drawn.density) - 1.0f);
            error = t_max(error, t_abs(t_div(largest(again), density * largest(drawn.weight)) - 1.0f));
            unlike = t_max(unlike, error);
        }
    }
    for (u32 i = 0; i < even; i++) {
        float u, v, lobe, density, sine, cosine;
        numbers(threadIdx.x * even + i, &u, &v, &lobe);
        float z = t_fma(2.0f, u, -1.0f), r = t_sqrt(t_fma(-z, z, 1.0f));
        t_sincos_near(T_TWO_PI * v, &sine, &cosine);
        evaluated = mad(evaluate(&s, vec(r * cosine, r * sine, z), &density), 4.0f * T_PI, evaluated);
        densities = t_fma(density, 4.0f * T_PI, densities);
    }
    Found *f = found + blockIdx.x * blockDim.x + threadIdx.x;
    f->scattered[0] = scattered.x;
    f->scattered[1] = scattered.y;
    f->scattered[2] = scattered.z;
    f->through = through;
    f->evaluated[0] = evaluated.x;
    f->evaluated[1] = evaluated.y;
    f->evaluated[2] = evaluated.z;
    f->density = densities;
    f->unlike = unlike;
}
