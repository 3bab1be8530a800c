enum Shell {}
