"""The paper's comparison of representations: pixels or voxels in, coordinates or voxels out."""
