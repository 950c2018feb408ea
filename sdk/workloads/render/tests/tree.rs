//! The tree against a search through all triangles.

use tessera_render::{Bvh, Triangle, Vec3, vec3};

/// Numbers of -1..1 that depend on a counter alone.
struct Numbers(u32);

impl Numbers {
    fn next(&mut self) -> f32 {
        self.0 = self.0.wrapping_mul(747_796_405).wrapping_add(2_891_336_453);
        let word = ((self.0 >> ((self.0 >> 28) + 4)) ^ self.0).wrapping_mul(277_803_737);
        ((word >> 22 ^ word) >> 8) as f32 / 8_388_608.0 - 1.0
    }

    fn vec(&mut self) -> Vec3 {
        vec3(self.next(), self.next(), self.next())
    }
}

/// Distance to a triangle by Cramer's rule in f64, and how far inside of its edges the hit lies.
fn meet(t: &Triangle, o: Vec3, d: Vec3) -> Option<(f64, f64)> {
    let wide = |v: Vec3| [f64::from(v.x), f64::from(v.y), f64::from(v.z)];
    let sub = |a: [f64; 3], b: [f64; 3]| [a[0] - b[0], a[1] - b[1], a[2] - b[2]];
    let cross =
        |a: [f64; 3], b: [f64; 3]| [a[1] * b[2] - a[2] * b[1], a[2] * b[0] - a[0] * b[2], a[0] * b[1] - a[1] * b[0]];
    let dot = |a: [f64; 3], b: [f64; 3]| a[0] * b[0] + a[1] * b[1] + a[2] * b[2];
    let [a, b, c] = t.positions.map(wide);
    let (e1, e2, s, d) = (sub(b, a), sub(c, a), sub(wide(o), a), wide(d));
    let h = cross(d, e2);
    let det = dot(e1, h);
    let (u, q) = (dot(s, h) / det, cross(s, e1));
    let (v, t) = (dot(d, q) / det, dot(e2, q) / det);
    let inside = u.min(v).min(1.0 - u - v);
    (t > 1e-5 && inside >= -1e-3).then_some((t, inside))
}

fn triangles(count: usize, size: f32, numbers: &mut Numbers) -> Vec<Triangle> {
    let mut made = Vec::new();
    while made.len() < count {
        let centre = numbers.vec() * 5.0;
        let positions = [0; 3].map(|_| centre + numbers.vec() * size);
        let triangle = Triangle::flat(positions, 0);
        if triangle.area() > 1e-4 * size * size {
            made.push(triangle);
        }
    }
    made
}

#[test]
fn finds_what_a_search_through_all_finds() {
    let mut numbers = Numbers(1);
    let mut hits = 0;
    for (count, size) in [(1, 3.0), (2, 3.0), (9, 2.0), (300, 0.8), (6_000, 0.2)] {
        let triangles = triangles(count, size, &mut numbers);
        let tree = Bvh::build(&triangles, 95, |_| false).unwrap();
        let mut places = tree.order.clone();
        places.sort_unstable();
        places.dedup();
        assert!(places.iter().enumerate().all(|(i, place)| *place as usize == i), "each triangle stands somewhere");
        assert_eq!(places.len(), count);
        assert!(tree.order.len() * 10 <= count * 13 + 10, "{} places for {count} triangles", tree.order.len());
        for _ in 0..400 {
            let o = numbers.vec() * 8.0;
            let Some(d) = (numbers.vec() * 4.0 - o).unit() else { continue };
            let found = tree.closest(o, d, f32::MAX);
            let all = triangles.iter().filter_map(|t| meet(t, o, d));
            let nearest = all.clone().min_by(|a, b| a.0.total_cmp(&b.0));
            // Hits within rounding of an edge may count or not.
            let sure = all.filter(|(_, inside)| *inside > 1e-3).min_by(|a, b| a.0.total_cmp(&b.0));
            match (found, nearest) {
                (None, _) => assert!(sure.is_none(), "missed {sure:?}"),
                (Some(hit), None) => panic!("hit nothing at {hit:?}"),
                (Some(hit), Some((t, _))) => {
                    hits += 1;
                    let farthest = sure.map_or(f64::MAX, |s| s.0);
                    assert!(f64::from(hit.t) > t - 1e-3 && f64::from(hit.t) < farthest + 1e-3, "{hit:?}, expected {t}");
                }
            }
        }
    }
    assert!(hits > 400, "{hits} hits");
}

#[test]
fn many_triangles_in_one_place_still_make_a_tree() {
    let one = triangles(1, 1.0, &mut Numbers(3))[0];
    let tree = Bvh::build(&vec![one; 5_000], 95, |_| false).unwrap();
    assert!(tree.order.len() >= 5_000);
    let centre = (one.positions[0] + one.positions[1] + one.positions[2]) * (1.0 / 3.0);
    let d = one.cross().unit().unwrap();
    let hit = tree.closest(centre - d * 2.0, d, f32::MAX).unwrap();
    assert!((hit.t - 2.0).abs() < 1e-3);
}
